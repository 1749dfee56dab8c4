// Package simulator is a stand-in for status APIs, whatever their names and those
// of their regions, served over real HTTP, so that a fresh machine shows live data
// through the real path. What it answers is a pure function of seed, API, region
// and time step, but for a first while without outages. It knows nothing of who
// polls it.
package simulator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/store"
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

func (o Options) withDefaults() Options {
	o.Step = cmp.Or(max(o.Step, 0), 4*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Simulator is an http.Handler that answers GET /<api>/<region>/status.
type Simulator struct {
	opts  Options
	names *regexp.Regexp
	start int64 // the step in which it was made
}

// New returns a simulator.
func New(o Options) *Simulator {
	s := &Simulator{opts: o.withDefaults(), names: regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)}
	s.start = s.step()
	return s
}

// URLTemplate returns the poller's template for a simulator at base.
func URLTemplate(base string) string { return base + "/{api}/{source}/status?stats=1" }

// ServeHTTP implements http.Handler.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) != 3 || parts[2] != "status" || !s.names.MatchString(parts[0]) || !s.names.MatchString(parts[1]) {
		http.Error(w, `{"error":"not found"}`, http.StatusNotFound)
		return
	}
	s.answer(w, parts[0], parts[1])
}

// kind returns a number below that of the six regions. They have one each; other
// regions share them.
func kind(region string) int {
	all := store.Regions()
	if i := slices.Index(all, region); i >= 0 {
		return i
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(region))
	return int(h.Sum32()>>1) % len(all)
}

func (s *Simulator) step() int64 { return s.opts.Now().UnixNano() / int64(s.opts.Step) }

func (s *Simulator) answer(w http.ResponseWriter, api, region string) {
	step := s.step()
	state := s.state(api, kind(region), step)
	w.Header().Set("Content-Type", "application/json")
	if state == failing {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"error":"maintenance"}`))
		return
	}
	body, err := json.Marshal(s.payload(api+"/"+region, step, state))
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
