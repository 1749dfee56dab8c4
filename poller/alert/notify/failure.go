package notify

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/store/netfault"
)

// The classes of failures beside those of netfault and HTTP_<status>.
const (
	classTemplate = "TEMPLATE"
	classRedirect = "REDIRECT"
	classPanic    = "PANIC"
	classOther    = "OTHER"
)

// maxRetryAfter is how long a receiver can ask to be left alone.
const maxRetryAfter = time.Hour

// failure is a try that did not succeed.
type failure struct {
	// class is one word that stays the same from one release to the next.
	class string
	// text follows "receiver NAME". It holds no address and nothing that the
	// receiver sent.
	text string
	// lasting marks what the same request will meet again.
	lasting bool
	// retryAfter is how long the receiver asked to be left alone; 0: it did not.
	retryAfter time.Duration
}

func (f *failure) Error() string { return f.text }

// ErrorClass returns the class: by it failures are counted and searched for.
func (f *failure) ErrorClass() string { return f.class }

// ofTransport names what went wrong without an answer. The error itself is not
// kept: it may hold the address.
func ofTransport(err error) *failure {
	var urlError *url.Error
	if errors.As(err, &urlError) {
		err = urlError.Err
	}
	class := netfault.Class(err)
	texts := map[string]string{
		netfault.DNS:         "has a host name that could not be resolved",
		netfault.Refused:     "refused the connection",
		netfault.Unreachable: "could not be reached",
		netfault.TLS:         "has a certificate, or a TLS, that is not acceptable",
		netfault.Reset:       "ended the connection before it had answered",
		netfault.Timeout:     "did not answer in time",
	}
	if text, ok := texts[class]; ok {
		return &failure{class: class, text: text}
	}
	switch text := err.Error(); {
	case errors.Is(err, http.ErrSchemeMismatch):
		return &failure{class: netfault.TLS, text: "speaks HTTP where https was asked for"}
	case strings.Contains(text, "server closed idle connection"), strings.Contains(text, "http2: "), strings.Contains(text, "stream error"):
		return &failure{class: netfault.Reset, text: texts[netfault.Reset]}
	case strings.Contains(text, "malformed"), strings.Contains(text, "response headers exceeded"):
		return &failure{class: classOther, text: "answered something that is not HTTP"}
	}
	return &failure{class: classOther, text: "could not be asked"}
}

// ofStatus is nil for an answer that says that the message is taken.
func ofStatus(status int, h http.Header, now time.Time) *failure {
	if status >= 200 && status < 300 {
		return nil
	}
	f := &failure{class: "HTTP_" + strconv.Itoa(status), text: fmt.Sprintf("answered with status %d", status)}
	switch {
	case status >= 300 && status < 400:
		f.class, f.text, f.lasting = classRedirect, fmt.Sprintf("redirected with status %d, which is not followed: its address in the settings must be the final one", status), true
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests, status >= 500:
		f.retryAfter = retryAfter(h.Get("Retry-After"), now)
	default:
		f.lasting = true
	}
	return f
}

// retryAfter reads seconds or a date, and bounds them.
func retryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
