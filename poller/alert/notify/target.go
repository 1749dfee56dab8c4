package notify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// maxDrain bounds what is read of an answer, so that the connection can be used
// again.
const maxDrain = 4 << 10

// target is a receiver that is ready to be told.
type target struct {
	Receiver  // with its defaults
	given     Receiver
	templates *templates
	client    *http.Client
	own       *http.Transport // nil where the transport is somebody else's
}

// compile makes a receiver ready, and tries its templates on examples. Without a
// transport it gets its own.
func compile(r Receiver, transport http.RoundTripper) (*target, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	t := &target{Receiver: r, given: r}
	t.Type = cmp.Or(r.Type, Webhook)
	t.Timeout = cmp.Or(r.Timeout, DefaultTimeout)
	var err error
	if t.templates, err = parseTemplates(r); err != nil {
		return nil, err
	}
	for _, m := range examples(r.Name) {
		if _, _, err := t.templates.render(r, m, "https://insights.example"); err != nil {
			return nil, err
		}
	}
	if transport == nil {
		t.own = newTransport(r)
		transport = t.own
	}
	t.client = &http.Client{
		Transport: transport,
		// The answer to a redirected POST would be that of another request.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return t, nil
}

func newTransport(r Receiver) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if r.TLS != nil {
		t.TLSClientConfig = r.TLS.Clone()
	}
	t.DisableCompression = true
	t.MaxResponseHeaderBytes = 64 << 10
	t.MaxConnsPerHost = 4
	t.IdleConnTimeout = 30 * time.Second
	return t
}

// close ends the connections that nobody uses.
func (t *target) close() {
	if t.own != nil {
		t.own.CloseIdleConnections()
	}
}

// tell sends one message to a webhook. The error is a *failure.
func (t *target) tell(ctx context.Context, m alert.Message, externalURL string, now func() time.Time) error {
	body, header, err := t.templates.render(t.Receiver, m, externalURL)
	if err != nil {
		return &failure{class: classTemplate, text: "has a template that does not work for this message: " + strings.TrimPrefix(err.Error(), "receiver "+t.Name+": "), lasting: true}
	}
	header.Set("Content-Type", cmp.Or(t.ContentType, "application/json"))
	header.Set("Idempotency-Key", url.PathEscape(m.Key))
	return t.post(ctx, t.URL, header, body, now)
}

// post sends a body, and takes any 2xx as a yes, whatever follows it.
func (t *target) post(ctx context.Context, address string, header http.Header, body []byte, now func() time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return &failure{class: classOther, text: "has an address that cannot be used", lasting: true}
	}
	if host := header.Get("Host"); host != "" {
		req.Host = host
	}
	req.Header.Set("User-Agent", "devops-insights/1.0")
	for name, values := range header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	res, err := t.client.Do(req)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = context.DeadlineExceeded
		}
		return ofTransport(err)
	}
	defer func() { _ = res.Body.Close() }()
	if f := ofStatus(res.StatusCode, res.Header, now()); f != nil {
		return f
	}
	_, _ = io.CopyN(io.Discard, res.Body, maxDrain)
	return nil
}

// postable is an alert in the form of Alertmanager's API version 2.
type postable struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// toAlertmanager is the state of an alert, which holds until ends.
func toAlertmanager(a alert.Alert, ends time.Time, externalURL string) postable {
	if starts := startOf(a); ends.Before(starts) { // the clock was set back
		ends = starts
	}
	return postable{Labels: labelsOf(a), Annotations: annotationsOf(a), StartsAt: startOf(a), EndsAt: ends, GeneratorURL: linkTo(a, externalURL)}
}

// alertsPath is Alertmanager's.
const alertsPath = "/api/v2/alerts"

// tellAlertmanager sends states of alerts. The error is a *failure.
func (t *target) tellAlertmanager(ctx context.Context, alerts []postable, now func() time.Time) error {
	body, err := json.Marshal(alerts)
	if err != nil {
		return &failure{class: classOther, text: "cannot be told of an alert that is not JSON", lasting: true}
	}
	header := t.templates.plain.Clone()
	header.Set("Content-Type", "application/json")
	return t.post(ctx, withPath(t.URL), header, body, now)
}

// withPath adds the path of the API to the address of an Alertmanager.
func withPath(address string) string {
	u, err := url.Parse(address)
	if err != nil || strings.HasSuffix(u.Path, alertsPath) {
		return address
	}
	return u.JoinPath(alertsPath).String()
}
