// Package simulator is a stand-in status API for the six regions, served over
// real HTTP, so that a fresh machine shows live data through the real path.
// What it answers is a pure function of seed, region and time step, but for a
// first while without outages. It never knows who asks.
package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"
)

// Options configures a Simulator. The zero value is usable.
type Options struct {
	// Seed makes another world. Zero is one too.
	Seed uint64
	// Step is how long a value stays the same. Zero: 4 s.
	Step time.Duration
	// Calm keeps every region healthy.
	Calm bool
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Simulator is an http.Handler that answers GET /<api>/<region>/status.
type Simulator struct {
	opts  Options
	start int64 // the step in which it was made
}

// New returns a simulator.
func New(o Options) *Simulator {
	if o.Step <= 0 {
		o.Step = 4 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Simulator{opts: o}
	s.start = s.step()
	return s
}

// URLTemplate returns the poller's template for a simulator at base.
func URLTemplate(base string) string { return base + "/{api}/{source}/status?stats=1" }

// regions are the ones that exist here; the order decides who may fail when.
func regions() []string {
	return []string{"us-east", "us-west", "eu-west", "eu-central", "sa-east", "ap-southeast"}
}

// ServeHTTP implements http.Handler.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) != 3 || parts[2] != "status" {
		http.Error(w, `{"error":"not found"}`, http.StatusNotFound)
		return
	}
	for i, name := range regions() {
		if name == parts[1] {
			s.answer(w, name, i)
			return
		}
	}
	http.Error(w, `{"error":"unknown region"}`, http.StatusNotFound)
}

func (s *Simulator) step() int64 { return s.opts.Now().UnixNano() / int64(s.opts.Step) }

func (s *Simulator) answer(w http.ResponseWriter, name string, index int) {
	step := s.step()
	state := s.state(index, step)
	w.Header().Set("Content-Type", "application/json")
	if state == failing {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"error":"maintenance"}`))
		return
	}
	body, err := json.Marshal(s.payload(name, step, state))
	if err != nil {
		http.Error(w, `{"error":"internal"}`, http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(body)
}

// Start serves on a free loopback port until stop is called.
func (s *Simulator) Start(ctx context.Context) (base string, stop func(context.Context) error, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	over := make(chan error, 1)
	go func() { over <- server.Serve(l) }()
	return "http://" + l.Addr().String(), func(ctx context.Context) error {
		if err := server.Shutdown(ctx); err != nil {
			return errors.Join(err, server.Close())
		}
		if err := <-over; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}, nil
}
