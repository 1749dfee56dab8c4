package kit

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// Upstream is a status API whose answers a test sets, region by region. A
// region that was not set answers {"status":"ok","region":"<name>"}.
type Upstream struct {
	server *httptest.Server

	mu      sync.Mutex
	answers map[string]http.HandlerFunc
	polls   map[string]int
}

// NewUpstream starts an upstream that ends with the test.
func NewUpstream(tb TB) *Upstream {
	u := &Upstream{answers: make(map[string]http.HandlerFunc), polls: make(map[string]int)}
	u.server = httptest.NewServer(u)
	tb.Cleanup(u.server.Close)
	return u
}

// Template returns the URL template for UPSTREAM_URL.
func (u *Upstream) Template() string { return u.server.URL + "/{api}/{source}" }

// ServeHTTP implements http.Handler.
func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	region := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	u.mu.Lock()
	u.polls[region]++
	answer := u.answers[region]
	u.mu.Unlock()
	if answer == nil {
		_, _ = fmt.Fprintf(w, `{"status":"ok","region":%q}`, region)
		return
	}
	answer(w, r)
}

// Handle sets a handler of the test's own.
func (u *Upstream) Handle(region string, h http.HandlerFunc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answers[region] = h
}

// Set lets the region answer with this body.
func (u *Upstream) Set(region, body string) {
	u.Handle(region, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
}

// Fail lets the region answer with this status.
func (u *Upstream) Fail(region string, status int) {
	u.Handle(region, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

// Delay lets the region wait before it answers with this body.
func (u *Upstream) Delay(region, body string, d time.Duration) {
	u.Handle(region, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			_, _ = w.Write([]byte(body))
		case <-r.Context().Done():
		}
	})
}

// Polls returns how often the region was asked.
func (u *Upstream) Polls(region string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.polls[region]
}
