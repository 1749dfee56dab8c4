package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2" //nolint:revive // the suites read as sentences with it
	. "github.com/onsi/gomega"    //nolint:revive // likewise

	"github.com/devops-insights/devops-insights/store"
)

// Heard is what one Watch has handed on.
type Heard struct {
	mu      sync.Mutex
	changes []store.Change
	ready   int // the number of changes before ready
}

// Follow watches s until the spec ends, and returns when the Watch is ready.
func Follow(s store.Feed) *Heard {
	GinkgoHelper()
	h, ready, over := &Heard{}, make(chan struct{}), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		over <- s.Watch(ctx, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.ready = len(h.changes)
			close(ready) // a second time would panic
		}, func(_ context.Context, c store.Change) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.changes = append(h.changes, c)
			return nil
		})
	}()
	DeferCleanup(func() {
		cancel()
		Eventually(over, "20s").Should(Receive())
	})
	Eventually(ready, "20s").Should(BeClosed())
	return h
}

// All returns the changes so far: source, value, and "snapshot" where it is one.
func (h *Heard) All() (all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.changes {
		text := c.Source + " " + string(c.Data)
		if c.Snapshot {
			text += " snapshot"
		}
		all = append(all, text)
	}
	return all
}

// Values returns the values of one region so far, without a snapshot of what
// was there before: what a dashboard would be shown.
func (h *Heard) Values(source string) (values []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.changes {
		text := string(c.Data)
		if c.Source == source && (!c.Snapshot || len(values) == 0 || values[len(values)-1] != text) {
			values = append(values, text)
		}
	}
	return values
}

// beforeReady is the number of changes that were handed on before ready.
func (h *Heard) beforeReady() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ready
}

func feedSpecs(opened func() store.Store) {
	var (
		s    store.Store
		ctx  context.Context
		base = time.Date(2026, 11, 24, 3, 45, 1, 0, time.UTC)
	)
	BeforeEach(func() {
		s = opened()
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
		DeferCleanup(cancel)
	})
	save := func(api, source, data string) {
		GinkgoHelper()
		Expect(s.Save(ctx, store.Sample{API: api, Source: source, Data: json.RawMessage(data), At: base})).To(BeTrue())
	}

	It("hands on a snapshot of all regions and apis, then says that it is ready, then hands on changes", func() {
		save("acme", "us-east", `1`)
		save("acme", "eu-west", `2`)
		save("other", "sa-east", `3`)
		save("acme", "us-east", `4`)
		h := Follow(s)
		Expect(h.All()).To(ConsistOf("us-east 4 snapshot", "eu-west 2 snapshot", "sa-east 3 snapshot"))
		Expect(h.beforeReady()).To(Equal(3))
		save("acme", "us-east", `5`)
		Eventually(h.All, "10s").Should(HaveLen(4))
		Expect(h.All()[3]).To(Equal("us-east 5"))
		Expect(s.Refresh(ctx)).To(Succeed())
		Expect(h.Values("us-east")).To(Equal([]string{"4", "5"}))
		Expect(h.beforeReady()).To(Equal(3), "it is ready once")
	})

	It("ends with the error of the function, while it hands on the snapshot too", func() {
		boom := errors.New("boom")
		refuse := func(context.Context, store.Change) error { return boom }
		save("acme", "us-east", `1`)
		Expect(s.Watch(ctx, func() { Fail("it is not ready") }, refuse)).To(MatchError(boom))
	})

	It("loses and repeats nothing for those who begin to watch while values are stored", func() {
		const last = 60
		stored := make(chan struct{})
		go func() {
			defer GinkgoRecover()
			defer close(stored)
			for n := range last + 1 {
				save("acme", "us-east", strconv.Itoa(n))
			}
		}()
		var all []*Heard
		for range 4 {
			all = append(all, Follow(s))
			Expect(s.Refresh(ctx)).To(Succeed())
		}
		Eventually(stored, "50s").Should(BeClosed())
		for _, h := range all {
			Eventually(func() string {
				values := h.Values("us-east")
				return values[len(values)-1]
			}, "10s").Should(Equal(fmt.Sprint(last)))
			before := -1
			for i, text := range h.Values("us-east") {
				n, err := strconv.Atoi(text)
				Expect(err).NotTo(HaveOccurred())
				if i > 0 {
					Expect(n).To(Equal(before+1), "of %v", h.All())
				}
				before = n
			}
		}
	})

	It("answers a Refresh without a Watch, and one whose time is over", func() {
		Expect(s.Refresh(ctx)).To(Succeed())
		over, cancel := context.WithCancel(ctx)
		cancel()
		Follow(s)
		Expect(s.Refresh(over)).To(MatchError(context.Canceled))
	})
}
