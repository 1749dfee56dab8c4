package poller

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// DefaultURLTemplate is the status API of an upstream known by its name alone.
const DefaultURLTemplate = "https://data--{source}.{api}.io/status?stats=1"

// HTTPOptions configures HTTP. The zero value of every field is usable.
type HTTPOptions struct {
	// URLTemplate holds {source} and {api}. Empty: DefaultURLTemplate.
	URLTemplate string
	// Header goes with every request to the origin of the URL. All of it is taken
	// to be secret but User-Agent: nothing of it follows a redirect elsewhere.
	Header http.Header
	// MaxBytes bounds an answer, after decompression. Zero: 4 MiB.
	MaxBytes int64
	// Retries is the number of further tries within one poll. Zero: 2;
	// negative: none.
	Retries int
	// Backoff is the base of the wait before a further try: it doubles, and the
	// wait is a random share of it (full jitter). Zero: 200 ms.
	Backoff time.Duration
	// BreakAfter is how many polls of one region must fail in a row before it
	// is left alone for CoolDown, and then asked once in a poll, without a further
	// try, until it answers. Zero: 5.
	BreakAfter uint32
	// CoolDown is that time. Zero: 60 s.
	CoolDown time.Duration
	// PerSecond bounds the requests to one host. Zero: 50.
	PerSecond float64
	// Hosts are the limits of the hosts, where several HTTP share them. Nil: it
	// has its own.
	Hosts *Hosts
	// Accepts reports whether an answer of that status holds a value. Nil: 200 to
	// 299 do.
	Accepts func(status int) bool
	// TLS says whom the shared transport trusts, and who it says it is. Nil: the
	// authorities of the system, and nobody.
	TLS *tls.Config
	// Transport replaces the shared transport. Nil: one with verification of
	// certificates and connection reuse, which never connects to metadata
	// services, and to a link-local address only where URLTemplate names it.
	Transport http.RoundTripper
}

func (o HTTPOptions) withDefaults() HTTPOptions {
	o.URLTemplate = cmp.Or(o.URLTemplate, DefaultURLTemplate)
	o.MaxBytes = cmp.Or(max(o.MaxBytes, 0), 4<<20)
	o.Retries = cmp.Or(o.Retries, 2)
	o.Backoff = cmp.Or(max(o.Backoff, 0), 200*time.Millisecond)
	o.BreakAfter = cmp.Or(o.BreakAfter, 5)
	o.CoolDown = cmp.Or(max(o.CoolDown, 0), time.Minute)
	o.PerSecond = cmp.Or(max(o.PerSecond, 0), perSecond)
	if o.Hosts == nil {
		o.Hosts = NewHosts()
	}
	if o.Accepts == nil {
		o.Accepts = func(status int) bool { return status >= 200 && status <= 299 }
	}
	return o
}

// HTTP fetches samples over HTTP. All its targets share connections.
type HTTP struct {
	opts       HTTPOptions
	client     *http.Client
	configured netip.Addr // that the template names, if it names one
}

// NewHTTP checks the template and returns an HTTP.
func NewHTTP(o HTTPOptions) (*HTTP, error) {
	o = o.withDefaults()
	sample := fill(o.URLTemplate, "api", "source")
	u, err := url.Parse(sample)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.ContainsAny(sample, "{}") {
		return nil, errors.New("UPSTREAM_URL is no template of an absolute http or https URL: only {source} and {api} may stand in braces")
	}
	h := &HTTP{opts: o}
	h.configured, _ = netip.ParseAddr(u.Hostname()) // a name has the zero address
	if o.Transport == nil {
		o.Transport = newTransport(h.configured, o.TLS)
	}
	h.client = &http.Client{Transport: o.Transport, CheckRedirect: h.checkRedirect}
	return h, nil
}

func fill(template, api, source string) string {
	return strings.NewReplacer("{api}", url.PathEscape(api), "{source}", url.PathEscape(source)).Replace(template)
}

// Close lets go of idle connections.
func (h *HTTP) Close() { h.client.CloseIdleConnections() }

// Target returns what polls one region, with a circuit breaker of its own and a
// rate limit that it shares with the regions of the same host.
func (h *HTTP) Target(api, source string) Target {
	url := fill(h.opts.URLTemplate, api, source)
	breaker := newBreaker(h.opts.BreakAfter, h.opts.CoolDown)
	limiter := h.opts.Hosts.limiter(host(url), h.opts.PerSecond)
	return Target{
		API: api, Source: source, Host: host(url), Breaker: breaker.state,
		Wait: func(ctx context.Context) error {
			if breaker.open() {
				return nil // nothing goes out
			}
			return limiter.Wait(ctx)
		},
		Fetch: func(ctx context.Context) (json.RawMessage, error) {
			return breaker.run(func() (json.RawMessage, error) {
				retries := h.opts.Retries
				if breaker.tests() {
					retries = 0
				}
				return h.tries(ctx, url, limiter, retries)
			})
		},
	}
}

func host(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// tries asks until an answer is good, final, or the time is up. The first
// request may go at once.
func (h *HTTP) tries(ctx context.Context, target string, limiter *rate.Limiter, retries int) (json.RawMessage, error) {
	for try := 0; ; try++ {
		data, err := h.once(ctx, target)
		if err == nil {
			return data, nil
		}
		if try >= retries || !again(err) || ctx.Err() != nil {
			return nil, err
		}
		wait := time.Duration(rand.Int64N(int64(h.opts.Backoff << min(try, 10))))
		if err.RetryAfter > 0 {
			wait = err.RetryAfter
		}
		allowed := limiter.Reserve()
		wait = max(wait, allowed.Delay())
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
			allowed.Cancel()
			return nil, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		}
	}
}

// again reports whether the same question may have a better answer soon.
func again(e *Error) bool {
	switch e.Code {
	case CodeRefused, CodeReset, CodeUnreachable, CodeTimeout, CodeDNS, CodeOther:
		return true
	case CodeHTTP(e.HTTPStatus):
		return e.HTTPStatus == http.StatusTooManyRequests || e.HTTPStatus >= 500
	}
	return false
}

// once is typed *Error, not error, so that callers read its fields; nil is good.
func (h *HTTP) once(ctx context.Context, target string) (json.RawMessage, *Error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return nil, requestError(err)
	}
	req.Header.Set("User-Agent", "devops-insights/1.0")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", acceptEncoding)
	for name, values := range h.opts.Header {
		req.Header[name] = values
	}
	if host := h.opts.Header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, requestError(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if !h.opts.Accepts(resp.StatusCode) {
		// A short body is read away so that the connection can be used again.
		_, _ = io.CopyN(io.Discard, resp.Body, 16<<10)
		return nil, &Error{
			Code: CodeHTTP(resp.StatusCode), HTTPStatus: resp.StatusCode, RetryAfter: parseRetryAfter(resp.Header),
			Text: fmt.Sprintf("answered %d", resp.StatusCode),
		}
	}
	return h.readBody(resp)
}

// parseRetryAfter reads seconds or an HTTP date, which counts from the answer's
// own date: the two come from one clock. It is 0 for anything else.
func parseRetryAfter(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	n, err := strconv.ParseUint(v, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(n, math.MaxInt64/uint64(time.Second))) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(0, at.Sub(now))
}
