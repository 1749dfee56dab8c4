package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// regions are those that the dashboards subscribe to.
func regions() []string {
	return []string{"us-east", "us-west", "eu-west", "eu-central", "sa-east", "ap-southeast"}
}

// upstream is the status API that every server polls. While it is live, each
// answer is a new value with its number and the time in microseconds at which
// it was given; otherwise a region keeps its last one.
type upstream struct {
	URL    string // template
	server *http.Server

	mu     sync.Mutex
	size   int
	live   bool
	random *rand.Rand
	values map[string][]byte
	given  map[string]int64 // number of the last value
}

func startUpstream() (*upstream, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &upstream{URL: "http://" + l.Addr().String() + "/{source}"}
	u.reset(4096)
	u.server = &http.Server{Handler: u, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = u.server.Serve(l) }()
	return u, nil
}

// reset begins anew with values of about size bytes.
func (u *upstream) reset(size int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.size, u.live, u.random = size, false, rand.New(rand.NewPCG(1, 2))
	u.values, u.given = make(map[string][]byte), make(map[string]int64)
}

func (u *upstream) setLive(live bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.live = live
}

// last returns the number of each region's last value.
func (u *upstream) last() []int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	var all []int64
	for _, region := range regions() {
		all = append(all, u.given[region])
	}
	return all
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	region := strings.TrimPrefix(r.URL.Path, "/")
	if !slices.Contains(regions(), region) {
		http.NotFound(w, r)
		return
	}
	u.mu.Lock()
	if u.live || u.values[region] == nil {
		u.given[region]++
		u.values[region] = u.value(u.given[region])
	}
	body := u.values[region]
	u.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// value makes a status in the manner of the real ones: the names stay, the
// figures change.
func (u *upstream) value(number int64) []byte {
	type worker struct {
		Name     string   `json:"name"`
		Workers  int      `json:"workers"`
		Idle     int      `json:"idle"`
		Waiting  int      `json:"waiting"`
		WaitTime int      `json:"wait_time"`
		Load     float64  `json:"cpu_load"`
		Keys     []string `json:"recently_blocked_keys"`
	}
	b := fmt.Appendf(nil, `{"seq":%d,"stamp":%d,"status":"ok","results":{"stats":{"server":{"cpus":6,"workers":[`, number, time.Now().UnixMicro())
	for i := 0; len(b) < u.size-160; i++ {
		if i > 0 {
			b = append(b, ',')
		}
		text, _ := json.Marshal(worker{ // plain fields always encode
			Name: fmt.Sprintf("worker-%d", i), Workers: 4 + i%6, Idle: u.random.IntN(4), Waiting: u.random.IntN(8),
			WaitTime: u.random.IntN(400), Load: u.random.Float64() * 100,
			Keys: []string{fmt.Sprintf("key_%04x", u.random.IntN(1<<16)), fmt.Sprintf("key_%04x", u.random.IntN(1<<16))},
		})
		b = append(b, text...)
	}
	b = append(b, `]}}}`...)
	if short := u.size - len(b) - len(`,"note":""}`); short > 0 {
		note := make([]byte, short)
		for i := range note {
			note[i] = "0123456789abcdef"[u.random.IntN(16)]
		}
		b = fmt.Appendf(b, `,"note":%q`, note)
	}
	return append(b, '}')
}
