package notify

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// Type says which protocol a receiver speaks.
type Type = string

// The types of receivers.
const (
	// Webhook gets one message a request: Alertmanager's version-4 JSON, or what a
	// template makes of it.
	Webhook Type = "webhook"
	// Alertmanager gets the alerts themselves, again and again while they fire.
	Alertmanager Type = "alertmanager"
)

// The bounds of a receiver.
const (
	maxName     = 64
	maxHeaders  = 50
	maxTemplate = 64 << 10
	// DefaultTimeout bounds one request where the receiver names no other time.
	DefaultTimeout = 10 * time.Second
	// MaxTimeout is the longest that one can be given.
	MaxTimeout = time.Minute
)

// Receiver is somebody who is told of alerts. All of it but Name, Type, Timeout
// and Severities may hold secrets.
type Receiver struct {
	// Name is up to 64 letters, digits, dots, dashes and underscores.
	Name string
	// Type is Webhook or Alertmanager; empty: Webhook.
	Type Type
	// URL is where the messages go, with http or https. For an Alertmanager it is
	// its own address; /api/v2/alerts is added where it is missing.
	URL string
	// Header is sent with each request. For webhooks a value with {{ is a template.
	Header http.Header
	// Template is the text of a Go template for the body; empty: version-4 JSON.
	// Only webhooks have one.
	Template string
	// ContentType is that of the body; empty: application/json. What a template
	// makes must be JSON if the content type says so.
	ContentType string
	// TLS is how the server is checked; nil: by the roots of the system.
	TLS *tls.Config
	// Timeout bounds one request; zero: DefaultTimeout.
	Timeout time.Duration
	// Severities are those that the receiver wants; empty: all. It is the engine
	// that makes messages by them.
	Severities []alert.Severity
}

// Check returns what is wrong with a receiver, in a sentence that names no secret.
// A template is tried on examples of messages. An error about the template is a
// *TemplateError.
func Check(r Receiver) error {
	_, err := compile(r, nil)
	return err
}

// check looks at everything but the templates.
func (r Receiver) check() error {
	if !regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`).MatchString(r.Name) {
		return fmt.Errorf("the name of a receiver must be 1 to %d letters, digits, dots, dashes and underscores", maxName)
	}
	wrong := func(format string, a ...any) error {
		return fmt.Errorf("receiver %s: "+format, append([]any{r.Name}, a...)...)
	}
	switch {
	case r.Type != "" && r.Type != Webhook && r.Type != Alertmanager:
		return wrong("its type must be %s or %s", Webhook, Alertmanager)
	case r.Type == Alertmanager && r.Template != "":
		return wrong("an Alertmanager has no template, its messages are Alertmanager's own")
	case r.Type == Alertmanager && r.ContentType != "":
		return wrong("an Alertmanager has no content type, it takes JSON")
	case len(r.Template) > maxTemplate:
		return wrong("its template must not be larger than %d KiB", maxTemplate>>10)
	case r.Timeout < 0 || r.Timeout > MaxTimeout:
		return wrong("its timeout must be between 0 and %s", MaxTimeout)
	case r.ContentType != "" && !httpguts.ValidHeaderFieldValue(r.ContentType):
		return wrong("its content type cannot be sent in a header")
	}
	for _, s := range r.Severities {
		if !slices.Contains([]alert.Severity{alert.Critical, alert.Warning, alert.Info}, s) {
			return wrong("a severity must be %s, %s or %s", alert.Critical, alert.Warning, alert.Info)
		}
	}
	if err := checkURL(r.URL); err != nil {
		return wrong("%w", err)
	}
	if err := checkHeader(r.Header); err != nil {
		return wrong("%w", err)
	}
	return nil
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("its address must be an http:// or https:// URL with a host") // which may hold a secret
	}
	return nil
}

func checkHeader(h http.Header) error {
	n := 0
	for name, values := range h {
		n += len(values)
		if !httpguts.ValidHeaderFieldName(name) {
			return errors.New("the name of a header must be letters, digits and dashes")
		}
		switch strings.ToLower(name) {
		case "content-length", "transfer-encoding", "connection", "idempotency-key":
			return fmt.Errorf("the header %s cannot be set: the program does it", name)
		case "content-type":
			return errors.New("the header Content-Type cannot be set: the content type of the receiver is sent as it")
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return fmt.Errorf("the header %s has a value that cannot be sent, with a line break or another control character", name)
			}
		}
	}
	if n > maxHeaders {
		return fmt.Errorf("it must not have more than %d headers", maxHeaders)
	}
	return nil
}
