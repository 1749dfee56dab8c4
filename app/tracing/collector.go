package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Collector says where spans are sent, over OTLP/HTTP with protobuf.
type Collector struct {
	// URL is the whole address, with the path; see TracesPath.
	URL string
	// Header goes with every request. All of it is taken to be secret.
	Header http.Header
	// Timeout bounds one request. Zero: 10 s.
	Timeout time.Duration
	// Gzip compresses the requests.
	Gzip bool
	// TLS is for https. Nil: the roots of the system.
	TLS *tls.Config
}

// TracesPath is what OTEL_EXPORTER_OTLP_ENDPOINT is followed by.
const TracesPath = "/v1/traces"

// client speaks OTLP/HTTP. The one of the SDK's authors links gRPC and its gateway,
// which make the program larger by 16 MB; this one takes 0.6.
type client struct {
	o    Collector
	http *http.Client
}

func newClient(o Collector) *client {
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	return &client{o, &http.Client{
		Transport: &http.Transport{
			Proxy:           http.ProxyFromEnvironment,
			DialContext:     (&net.Dialer{Timeout: o.Timeout}).DialContext,
			TLSClientConfig: o.TLS, TLSHandshakeTimeout: o.Timeout, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: 1, IdleConnTimeout: 90 * time.Second,
		},
		// Headers with keys must not go where the settings do not name.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Start implements otlptrace.Client: it connects when there is something to send.
func (c *client) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (c *client) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// The waits between the attempts to send a batch.
const (
	firstWait   = time.Second
	longestWait = 10 * time.Second
)

// UploadTraces implements otlptrace.Client. It tries again, until ctx ends, where
// the collector asks for it or cannot be reached.
func (c *client) UploadTraces(ctx context.Context, spans []*otlp.ResourceSpans) error {
	// The same bytes as those of the service's request, whose package links gRPC.
	body, err := proto.Marshal(&otlp.TracesData{ResourceSpans: spans})
	if err != nil {
		return err
	}
	if c.o.Gzip {
		body = compress(body)
	}
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := c.post(ctx, body)
		later := (*laterError)(nil)
		if !errors.As(err, &later) {
			return err
		}
		pause := max(wait/2+rand.N(wait/2), later.after) // #nosec G404 -- no secret
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// laterError asks for another attempt, not before a time has passed.
type laterError struct {
	after time.Duration
	cause error
}

// Error implements error.
func (e *laterError) Error() string { return e.cause.Error() }

// Unwrap returns the cause.
func (e *laterError) Unwrap() error { return e.cause }

// partialError says that the collector has refused some of the spans.
type partialError struct{ rejected uint64 }

// Error implements error.
func (e *partialError) Error() string {
	return fmt.Sprintf("the collector refused %d spans", e.rejected)
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// post sends a batch once. Errors name neither the path nor what was answered: both
// may hold a key.
func (c *client) post(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.o.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("the collector's address is no URL")
	}
	req.Header = c.o.Header.Clone()
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "OTel-OTLP-Exporter-Go/"+otlptrace.Version()+" devops-insights")
	if c.o.Gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if full := (*url.Error)(nil); errors.As(err, &full) {
			err = full.Err
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("the collector did not answer within %s", c.o.Timeout)
		}
		return &laterError{cause: err}
	}
	defer func() { _ = resp.Body.Close() }()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // what is cut off counts as accepted
	status := fmt.Errorf("the collector answered with status %d", resp.StatusCode)
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return &laterError{after: retryAfter(resp.Header.Get("Retry-After")), cause: status}
	}
	if resp.StatusCode/100 != 2 {
		return status
	}
	if n := rejected(answer); n > 0 {
		return &partialError{n}
	}
	return nil
}

// retryAfter reads the header: seconds or a date.
func retryAfter(text string) time.Duration {
	if n, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(n, 0), 3600)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return time.Until(at)
	}
	return 0
}

// rejected reads the number of spans that the collector did not take out of its
// answer, an ExportTraceServiceResponse.
func rejected(answer []byte) uint64 {
	const partialSuccess, rejectedSpans = 1, 1
	inner, ok := field(answer, partialSuccess, protowire.BytesType)
	if !ok {
		return 0
	}
	message, _ := protowire.ConsumeBytes(inner)
	count, ok := field(message, rejectedSpans, protowire.VarintType)
	if !ok {
		return 0
	}
	n, _ := protowire.ConsumeVarint(count)
	return n
}

// field finds the value of a field in a message; false where the message is none.
func field(message []byte, number protowire.Number, kind protowire.Type) (value []byte, ok bool) {
	for len(message) > 0 {
		found, of, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, false
		}
		message = message[n:]
		size := protowire.ConsumeFieldValue(found, of, message)
		if size < 0 {
			return nil, false
		}
		if found == number && of == kind {
			return message[:size], true
		}
		message = message[size:]
	}
	return nil, false
}

var _ otlptrace.Client = (*client)(nil)
