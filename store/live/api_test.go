package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/live"
)

// place is a region of an API.
type place struct{ api, source string }

func (p place) value(n int) store.Change {
	data := json.RawMessage(fmt.Sprintf(`"%s %s %d"`, p.api, p.source, n))
	return store.Change{Metric: store.Metric{API: p.api, Source: p.source, Data: data, Hash: store.Hash(data)}}
}

// keeper is a store of several APIs and its feed.
type keeper struct {
	mu      sync.Mutex
	latest  map[place]store.Change
	order   []place
	changes chan store.Change
	watched atomic.Int32
}

func newKeeper() *keeper {
	return &keeper{latest: make(map[place]store.Change), changes: make(chan store.Change)}
}

// keep holds a value without a word in the feed.
func (k *keeper) keep(c store.Change) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := place{c.API, c.Source}
	if _, known := k.latest[p]; !known {
		k.order = append(k.order, p)
	}
	k.latest[p] = c
}

// save holds a value and hands it on.
func (k *keeper) save(c store.Change) {
	k.keep(c)
	k.changes <- c
}

func (k *keeper) Watch(ctx context.Context, ready func(), handle func(context.Context, store.Change) error) error {
	k.watched.Add(1)
	k.mu.Lock()
	var rows []store.Change
	for _, p := range k.order {
		rows = append(rows, k.latest[p])
	}
	k.mu.Unlock()
	for _, c := range rows {
		c.Snapshot = true
		_ = handle(ctx, c)
	}
	ready()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-k.changes:
			_ = handle(ctx, c)
		}
	}
}

// Refresh does nothing, as the contract of a feed allows.
func (k *keeper) Refresh(context.Context) error { return nil }

func (k *keeper) Scan(context.Context, store.Query, func(store.Metric) error) error { return nil }

// rooms sends to the listeners of each region.
type rooms struct {
	mu      sync.Mutex
	members map[place]map[*listener]struct{}
}

func (r *rooms) Send(c store.Change, _ bool) (json.RawMessage, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := range r.members[place{c.API, c.Source}] {
		_ = l.Tell(c.Data)
	}
	return c.Data, nil
}

// listener is a dashboard that records what it is told.
type listener struct {
	rooms *rooms
	mu    sync.Mutex
	got   []string
}

func (l *listener) Hears(api, source string) bool {
	l.rooms.mu.Lock()
	defer l.rooms.mu.Unlock()
	_, in := l.rooms.members[place{api, source}][l]
	return in
}

func (l *listener) Hear(api, source string) error {
	l.rooms.mu.Lock()
	defer l.rooms.mu.Unlock()
	p := place{api, source}
	if l.rooms.members[p] == nil {
		l.rooms.members[p] = make(map[*listener]struct{})
	}
	l.rooms.members[p][l] = struct{}{}
	return nil
}

func (l *listener) Tell(update json.RawMessage) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var text string
	Expect(json.Unmarshal(update, &text)).To(Succeed())
	l.got = append(l.got, text)
	return nil
}

func (l *listener) Gone() bool { return false }

func (l *listener) told() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string{}, l.got...)
}

// apis returns a catalog of APIs that have the same regions.
func apis(names []string, regions ...string) *store.Catalog {
	var c store.Catalog
	for _, name := range names {
		a := store.API{Name: name}
		for _, region := range regions {
			a.Regions = append(a.Regions, store.Region{Name: region})
		}
		c = append(c, a)
	}
	return &c
}

var _ = Describe("a view of several APIs", func() {
	var (
		k       *keeper
		r       *rooms
		v       *live.View
		catalog atomic.Pointer[store.Catalog]
	)
	acmeEast, acmeWest := place{"acme", "us-east"}, place{"acme", "eu-west"}
	otherEast := place{"other", "us-east"}
	both := []string{"acme", "other"}

	begin := func(c *store.Catalog, latest ...store.Change) {
		GinkgoHelper()
		k, r = newKeeper(), &rooms{members: make(map[place]map[*listener]struct{})}
		for _, c := range latest {
			k.keep(c)
		}
		catalog.Store(c)
		log := logrus.New()
		log.SetOutput(io.Discard)
		v = live.New(live.Options{
			Catalog: func() store.Catalog { return *catalog.Load() }, Feed: k, History: k, Audience: r, Logger: log,
			MaxAge: time.Hour, Compare: time.Hour,
		})
		ctx, cancel := context.WithCancel(context.Background())
		over, ready := make(chan error, 1), make(chan struct{})
		go func() { over <- v.Run(ctx, func() { close(ready) }) }()
		Eventually(ready).Should(BeClosed())
		DeferCleanup(func() {
			cancel()
			Eventually(over).Should(Receive(MatchError(context.Canceled)))
		})
	}
	adopt := func(c *store.Catalog) {
		catalog.Store(c)
		v.Adopt()
	}
	known := func(api string) []string {
		GinkgoHelper()
		s, err := v.Snapshot(context.Background(), api, "")
		Expect(err).NotTo(HaveOccurred())
		names := []string{}
		for _, m := range s.Values {
			Expect(m.API).To(Equal(api))
			names = append(names, m.Source)
		}
		return names
	}
	answer := func(l *listener, api, source string) {
		GinkgoHelper()
		Expect(v.Answer(context.Background(), l, api, source, func(s *live.Snapshot) error {
			for _, m := range s.Values {
				_ = l.Tell(m.Data)
			}
			return nil
		})).To(Succeed())
	}

	It("keeps the regions of each API apart, over one feed", func() {
		begin(apis(both, "us-east", "eu-west"), acmeEast.value(1), otherEast.value(1))
		Expect(known("acme")).To(Equal([]string{"us-east"}))
		l := &listener{rooms: r}
		Expect(v.Join(l, "other", "us-east")).To(Succeed())
		k.save(acmeEast.value(2))
		k.save(acmeWest.value(1))
		k.save(otherEast.value(2))
		Eventually(l.told).Should(Equal([]string{"other us-east 2"}))
		Expect(known("acme")).To(Equal([]string{"us-east", "eu-west"}))
		Expect(known("other")).To(Equal([]string{"us-east"}))
		Expect(v.Snapshot(context.Background(), "acme", "us-east")).To(HaveField("Values", HaveExactElements(HaveField("Hash", acmeEast.value(2).Hash))))
		_, err := v.Snapshot(context.Background(), "other", "eu-west")
		Expect(err).To(MatchError(store.ErrNotFound))
		Expect(k.watched.Load()).To(BeEquivalentTo(1))
	})

	It("tells with a subscription what came since the answer of that API, whatever came of others", func() {
		begin(apis(both, "us-east", "eu-west"), acmeEast.value(1), otherEast.value(1))
		l := &listener{rooms: r}
		answer(l, "acme", "")
		k.save(otherEast.value(2))
		k.save(acmeEast.value(2))
		Eventually(func() any { return v.Known("acme")[0].Hash }).Should(Equal(acmeEast.value(2).Hash))
		Expect(v.Join(l, "other", "us-east")).To(Succeed())
		Expect(l.told()).To(Equal([]string{"acme us-east 1"}), "it has no answer of the other one")
		Expect(v.Join(l, "acme", "us-east")).To(Succeed())
		Expect(l.told()).To(Equal([]string{"acme us-east 1", "acme us-east 2"}))
	})

	It("passes over what the catalog does not have", func() {
		begin(apis([]string{"acme"}, "us-east"), acmeWest.value(1), otherEast.value(1), acmeEast.value(1))
		Expect(known("acme")).To(Equal([]string{"us-east"}))
		Expect(known("other")).To(BeEmpty())
		l := &listener{rooms: r}
		Expect(l.Hear("other", "us-east")).To(Succeed())
		k.save(otherEast.value(2))
		k.save(acmeEast.value(2))
		Eventually(func() any { return v.Known("acme")[0].Hash }).Should(Equal(acmeEast.value(2).Hash))
		Expect(l.told()).To(BeEmpty())
	})

	It("follows a change of the catalog: what is gone is not answered, what is new is there", func() {
		begin(apis([]string{"acme"}, "us-east", "eu-west"), acmeEast.value(1), acmeWest.value(1), otherEast.value(1))
		l := &listener{rooms: r}
		answer(l, "acme", "")
		Expect(v.Join(l, "acme", "us-east")).To(Succeed())
		Expect(v.Join(l, "acme", "eu-west")).To(Succeed())
		before := v.Version()

		adopt(apis(both, "us-east"))
		Expect(v.Version()).To(BeNumerically(">", before), "what was made before is out of date")
		Expect(known("acme")).To(Equal([]string{"us-east"}))
		Expect(known("other")).To(Equal([]string{"us-east"}))
		_, err := v.Snapshot(context.Background(), "acme", "eu-west")
		Expect(err).To(MatchError(store.ErrNotFound))
		k.save(acmeWest.value(2))
		k.save(acmeEast.value(2))
		Eventually(l.told).Should(Equal([]string{"acme us-east 1", "acme eu-west 1", "acme us-east 2"}))

		By("a region that returns is told to those who have stayed")
		adopt(apis(both, "us-east", "eu-west"))
		Expect(l.told()[3:]).To(Equal([]string{"acme eu-west 2"}))
		Expect(known("acme")).To(Equal([]string{"us-east", "eu-west"}))
		adopt(apis(both, "us-east", "eu-west"))
		Expect(l.told()).To(HaveLen(4), "and once")
	})

	It("tells a value that returned unchanged to one who was answered without it", func() {
		begin(apis([]string{"acme"}, "us-east", "eu-west"), acmeEast.value(1), acmeWest.value(1))
		adopt(apis([]string{"acme"}, "us-east"))
		l := &listener{rooms: r}
		answer(l, "acme", "")
		adopt(apis([]string{"acme"}, "us-east", "eu-west"))
		Expect(v.Join(l, "acme", "eu-west")).To(Succeed())
		Expect(l.told()).To(Equal([]string{"acme us-east 1", "acme eu-west 1"}))
	})

	It("never tells an older value after a newer one while the catalog changes under way", func() {
		with, without := apis(both, "us-east", "eu-west"), apis(both, "us-east")
		begin(with, acmeEast.value(0), acmeWest.value(0))
		const last = 1000
		over := make(chan struct{})
		var work sync.WaitGroup
		var all []*listener
		for range 6 {
			l := &listener{rooms: r}
			all = append(all, l)
			work.Go(func() {
				defer GinkgoRecover()
				for {
					select {
					case <-over:
						return
					default:
					}
					answer(l, "acme", "")
					for _, source := range []string{"us-east", "eu-west"} {
						Expect(v.Join(l, "acme", source)).To(Succeed())
					}
					v.Leave(l, "acme", "us-east", func() {
						r.mu.Lock()
						defer r.mu.Unlock()
						delete(r.members[acmeEast], l)
					})
				}
			})
		}
		work.Go(func() {
			defer GinkgoRecover()
			for i := 0; ; i++ {
				select {
				case <-over:
					return
				default:
				}
				adopt([]*store.Catalog{without, with}[i%2])
			}
		})
		for n := 1; n <= last; n++ {
			k.save(acmeEast.value(n))
			k.save(acmeWest.value(n))
		}
		close(over)
		work.Wait()
		adopt(with)
		for _, l := range all {
			newest := map[string]int{}
			for _, text := range l.told() {
				var api, source string
				var n int
				_, err := fmt.Sscan(text, &api, &source, &n)
				Expect(err).NotTo(HaveOccurred())
				Expect(n).To(BeNumerically(">=", newest[source]), text)
				newest[source] = n
			}
			Expect(newest["eu-west"]).To(Equal(last), "who stays in the room has the last one")
		}
	})
})
