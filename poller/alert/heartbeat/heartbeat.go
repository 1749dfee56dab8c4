package heartbeat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store/discard"
)

// Options configures a Heartbeat. URL and Wrong are required.
type Options struct {
	// URL is called while nothing is wrong. It is a secret.
	URL string
	// FailURL is called while something is. Empty: URL is called once, and then not
	// until all is well. It is a secret.
	FailURL string
	// Every is the time between two calls, at least a second. Zero: a minute.
	Every time.Duration
	// Timeout bounds a call. Zero: 10 s, at most half of Every.
	Timeout time.Duration
	// Confirm is the time after which what is wrong has to be wrong still, before it
	// is told. Zero: 10 s, at most a quarter of Every.
	Confirm time.Duration
	// Wrong returns what is wrong, a sentence each without secrets, and whether it
	// is this instance that has to call: where it is not, nobody is called.
	Wrong func() (wrong []string, mine bool)
	// Instance is a name of this instance, which goes with each call.
	Instance string
	// Transport makes the calls. Nil: one with connections of its own.
	Transport http.RoundTripper
	// Logger is told when calls begin to fail, and when they work again. Nil:
	// nobody is.
	Logger logrus.FieldLogger
	// Now is the clock of the timestamps and of Status. Nil: time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	o.Every = cmp.Or(o.Every, time.Minute)
	o.Timeout = cmp.Or(max(o.Timeout, 0), min(10*time.Second, o.Every/2))
	o.Confirm = cmp.Or(max(o.Confirm, 0), min(10*time.Second, o.Every/4))
	if o.Transport == nil {
		o.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	if o.Logger == nil {
		o.Logger = discard.Logger()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Status is how the calls go.
type Status struct {
	// Called is when a call last succeeded; zero: none has.
	Called time.Time
	// FailingSince is since when calls fail; zero: they do not.
	FailingSince time.Time
	// Class is why they fail, as one short word.
	Class string
}

// Heartbeat calls while Run runs.
type Heartbeat struct {
	opts   Options
	client *http.Client

	mu     sync.Mutex
	status Status
}

// New checks the options; an error says which one, and what is allowed, without
// any URL.
func New(o Options) (*Heartbeat, error) {
	if err := checkURL(o.URL); err != nil {
		return nil, fmt.Errorf("heartbeat: the URL %w", err)
	}
	if o.FailURL != "" {
		if err := checkURL(o.FailURL); err != nil {
			return nil, fmt.Errorf("heartbeat: the URL for failures %w", err)
		}
	}
	if o.Wrong == nil {
		return nil, errors.New("heartbeat: Wrong is required")
	}
	if o = o.withDefaults(); o.Every < time.Second {
		return nil, fmt.Errorf("heartbeat: a call every %s is too often: at least a second is expected", o.Every)
	}
	return &Heartbeat{opts: o, client: &http.Client{
		Transport: o.Transport, Timeout: o.Timeout,
		// A redirect would turn the POST into a GET, or lead elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return errors.New("is no absolute http or https URL")
	}
	return nil
}

// Status returns how the calls go.
func (h *Heartbeat) Status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status
}

// Run calls until ctx ends. It returns nil.
func (h *Heartbeat) Run(ctx context.Context) error {
	defer h.client.CloseIdleConnections()
	tick := time.NewTicker(h.opts.Every)
	defer tick.Stop()
	silent := false // URL has been told that something is wrong
	for {
		period, cancel := context.WithTimeout(ctx, h.opts.Every)
		silent = h.beat(period, silent)
		cancel()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// beat makes the call of one period, and returns whether the next ones are left
// out as long as something is wrong.
func (h *Heartbeat) beat(ctx context.Context, silent bool) bool {
	wrong, mine := h.opts.Wrong()
	if mine && len(wrong) > 0 && !pause(ctx, h.opts.Confirm) {
		return silent
	}
	if mine && len(wrong) > 0 {
		wrong, mine = h.opts.Wrong()
	}
	switch {
	case !mine:
		return false
	case len(wrong) == 0:
		h.call(ctx, h.opts.URL, "ok", wrong)
		return false
	case h.opts.FailURL != "":
		h.call(ctx, h.opts.FailURL, "failing", wrong)
		return false
	case silent:
		return true
	}
	return h.call(ctx, h.opts.URL, "failing", wrong)
}

// pause waits, and reports whether ctx lasts.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
