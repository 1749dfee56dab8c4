package poller

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"
)

// DefaultURLTemplate is the status API of an upstream known by its name alone.
const DefaultURLTemplate = "https://data--{source}.{api}.io/status?stats=1"

// HTTPOptions configures HTTP. The zero value of every field is usable.
type HTTPOptions struct {
	// URLTemplate holds {source} and {api}. Empty: DefaultURLTemplate.
	URLTemplate string
	// Header goes with every request.
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
	// is left alone for CoolDown. Zero: 5.
	BreakAfter uint32
	// CoolDown is that time. Zero: 60 s.
	CoolDown time.Duration
	// PerSecond bounds the requests to one host. Zero: 50.
	PerSecond float64
	// Transport replaces the shared transport. Nil: one with verification of
	// certificates and connection reuse.
	Transport http.RoundTripper
}

// HTTP fetches samples over HTTP. All its sources share connections.
type HTTP struct {
	opts   HTTPOptions
	client *http.Client

	mu       sync.Mutex
	limiters map[string]*rate.Limiter
}

// NewHTTP checks the template and returns an HTTP.
func NewHTTP(o HTTPOptions) (*HTTP, error) {
	if o.URLTemplate == "" {
		o.URLTemplate = DefaultURLTemplate
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 4 << 20
	}
	if o.Retries == 0 {
		o.Retries = 2
	}
	if o.Backoff <= 0 {
		o.Backoff = 200 * time.Millisecond
	}
	if o.BreakAfter == 0 {
		o.BreakAfter = 5
	}
	if o.CoolDown <= 0 {
		o.CoolDown = time.Minute
	}
	if o.PerSecond <= 0 {
		o.PerSecond = 50
	}
	if o.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 16
		o.Transport = t
	}
	sample := fill(o.URLTemplate, "api", "source")
	u, err := url.Parse(sample)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.ContainsAny(sample, "{}") {
		return nil, errors.New("UPSTREAM_URL is no template of an absolute http or https URL: only {source} and {api} may stand in braces")
	}
	h := &HTTP{opts: o, limiters: make(map[string]*rate.Limiter)}
	h.client = &http.Client{Transport: o.Transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		switch {
		case len(via) > 3:
			return errors.New("more than 3 redirects")
		case via[0].URL.Scheme == "https" && r.URL.Scheme != "https":
			return errors.New("a redirect from https to http")
		}
		return nil
	}}
	return h, nil
}

func fill(template, api, source string) string {
	return strings.NewReplacer("{api}", url.PathEscape(api), "{source}", url.PathEscape(source)).Replace(template)
}

// Close lets go of idle connections.
func (h *HTTP) Close() { h.client.CloseIdleConnections() }

// Source returns the function that polls one region, with a circuit breaker
// of its own.
func (h *HTTP) Source(api, source string) Source {
	target := fill(h.opts.URLTemplate, api, source)
	where := shown(target)
	breaker := gobreaker.NewCircuitBreaker[json.RawMessage](gobreaker.Settings{
		Name: where, Timeout: h.opts.CoolDown,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= h.opts.BreakAfter },
		IsExcluded:  func(err error) bool { return errors.Is(err, context.Canceled) },
	})
	return func(ctx context.Context) (json.RawMessage, error) {
		data, err := breaker.Execute(func() (json.RawMessage, error) { return h.tries(ctx, target, where) })
		var known *Error
		if err == nil || errors.As(err, &known) {
			return data, err
		}
		return nil, networkError(err, where)
	}
}

// shown is the URL as logs and dashboards may see it.
func shown(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return "the upstream"
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

// tries asks until an answer is good, final, or the time is up.
func (h *HTTP) tries(ctx context.Context, target, where string) (json.RawMessage, error) {
	for try := 0; ; try++ {
		data, err := h.once(ctx, target, where)
		if err == nil {
			return data, nil
		}
		if try >= h.opts.Retries || !again(err) || ctx.Err() != nil {
			return nil, err
		}
		wait := time.Duration(rand.Int64N(int64(h.opts.Backoff << min(try, 10))))
		if err.RetryAfter > 0 {
			wait = err.RetryAfter
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
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
	switch e.Class {
	case ClassConnect, ClassTimeout, ClassDNS:
		return true
	case ClassStatus:
		return e.HTTPStatus == http.StatusTooManyRequests || e.HTTPStatus >= 500
	}
	return false
}

func (h *HTTP) limiter(host string) *rate.Limiter {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.limiters[host]
	if l == nil {
		l = rate.NewLimiter(rate.Limit(h.opts.PerSecond), max(1, int(h.opts.PerSecond)))
		h.limiters[host] = l
	}
	return l
}

// once is typed *Error, not error, so that callers read its fields; nil is good.
func (h *HTTP) once(ctx context.Context, target, where string) (json.RawMessage, *Error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return nil, networkError(err, where)
	}
	for name, values := range h.opts.Header {
		req.Header[name] = values
	}
	if host := h.opts.Header.Get("Host"); host != "" {
		req.Host = host
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "devops-insights/1.0")
	}
	req.Header.Set("Accept", "application/json")
	if err := h.limiter(req.URL.Host).Wait(ctx); err != nil {
		return nil, networkError(context.DeadlineExceeded, where)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, networkError(err, where)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		// A short body is read away so that the connection can be used again.
		_, _ = io.CopyN(io.Discard, resp.Body, 16<<10)
		return nil, &Error{
			Class: ClassStatus, HTTPStatus: resp.StatusCode, RetryAfter: parseRetryAfter(resp.Header.Get("Retry-After")),
			Err: fmt.Errorf("%s answered %s, expected 200 OK", where, resp.Status),
		}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, h.opts.MaxBytes+1))
	if err != nil {
		e := networkError(err, where)
		e.HTTPStatus = resp.StatusCode
		return nil, e
	}
	if int64(len(body)) > h.opts.MaxBytes {
		return nil, &Error{Class: ClassTooLarge, HTTPStatus: resp.StatusCode, Err: fmt.Errorf("%s answered more than the allowed %d bytes", where, h.opts.MaxBytes)}
	}
	data, err := compact(body)
	if err != nil {
		return nil, &Error{Class: ClassNotJSON, HTTPStatus: resp.StatusCode, Err: fmt.Errorf("%s answered something that is not JSON (%s, %d bytes)", where, resp.Header.Get("Content-Type"), len(body))}
	}
	return data, nil
}

// compact returns JSON text without white space between its tokens.
func compact(body []byte) (json.RawMessage, error) {
	var b bytes.Buffer
	err := json.Compact(&b, body)
	return b.Bytes(), err
}

// parseRetryAfter reads seconds or an HTTP date; 0 for anything else.
func parseRetryAfter(v string) time.Duration {
	if n, err := strconv.ParseInt(v, 10, 32); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
