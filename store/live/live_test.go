package live_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/live"
)

func TestLive(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Live")
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

// value is a change of eu-west to a number.
func value(n int) store.Change {
	data := json.RawMessage(fmt.Sprint(n))
	return store.Change{Metric: store.Metric{API: "acme", Source: "eu-west", Data: data, Hash: store.Hash(data)}}
}

// catalog has the six regions of acme.
func catalog() store.Catalog {
	acme := store.API{Name: "acme"}
	for _, name := range store.Regions() {
		acme.Regions = append(acme.Regions, store.Region{Name: name})
	}
	return store.Catalog{acme}
}

// feed is a store's feed in the hands of a spec: what the store holds, and the
// changes that it hands on.
type feed struct {
	mu      sync.Mutex
	latest  []store.Change
	history []store.Metric
	err     error
	looks   atomic.Int32
	hold    chan struct{} // a look into the store waits for it, where it is set
	held    chan struct{}
	asks    chan chan struct{}
	changes chan store.Change
}

func newFeed(latest ...store.Change) *feed {
	return &feed{latest: latest, changes: make(chan store.Change), asks: make(chan chan struct{})}
}

func (f *feed) read() []store.Change {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]store.Change(nil), f.latest...)
}

// holds makes the store hold a value, without a word in the feed.
func (f *feed) holds(c store.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.latest, f.history = []store.Change{c}, append(f.history, c.Metric)
}

func (f *feed) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *feed) Watch(ctx context.Context, ready func(), handle func(context.Context, store.Change) error) error {
	hand := func(all []store.Change) {
		for _, c := range all {
			c.Snapshot = true
			_ = handle(ctx, c)
		}
	}
	hand(f.read())
	ready()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-f.changes:
			_ = handle(ctx, c)
		case done := <-f.asks:
			f.looks.Add(1)
			all := f.read()
			if f.hold != nil {
				f.held <- struct{}{}
				<-f.hold
			}
			hand(all)
			close(done)
		}
	}
}

func (f *feed) Refresh(ctx context.Context) error {
	f.mu.Lock()
	err := f.err
	f.mu.Unlock()
	if err != nil {
		return err
	}
	done := make(chan struct{})
	select {
	case f.asks <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	<-done
	return nil
}

func (f *feed) Scan(_ context.Context, _ store.Query, each func(store.Metric) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.history {
		if err := each(m); err != nil {
			return err
		}
	}
	return f.err
}

// room records what the dashboards of eu-west are sent.
type room struct {
	mu      sync.Mutex
	sent    []string
	scope   []bool
	members map[*dashboard]struct{}
}

func (r *room) Send(c store.Change, local bool) (json.RawMessage, error) {
	r.pass(c.Data, local)
	return c.Data, nil
}

func (r *room) pass(update json.RawMessage, local bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent, r.scope = append(r.sent, string(update)), append(r.scope, local)
	for d := range r.members {
		_ = d.Tell(update)
	}
}

func (r *room) heard() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.sent...)
}

// dashboard records what it is told, answers too.
type dashboard struct {
	room *room
	mu   sync.Mutex
	got  []string
	gone atomic.Bool
}

func (d *dashboard) Hears(_, _ string) bool {
	d.room.mu.Lock()
	defer d.room.mu.Unlock()
	_, in := d.room.members[d]
	return in
}

func (d *dashboard) Hear(_, _ string) error {
	d.room.mu.Lock()
	defer d.room.mu.Unlock()
	d.room.members[d] = struct{}{}
	return nil
}

func (d *dashboard) leave() {
	d.room.mu.Lock()
	defer d.room.mu.Unlock()
	delete(d.room.members, d)
}

func (d *dashboard) Tell(update json.RawMessage) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.got = append(d.got, string(update))
	return nil
}

func (d *dashboard) Gone() bool { return d.gone.Load() }

func (d *dashboard) told() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string{}, d.got...)
}

var _ = Describe("a view", func() {
	var (
		f        *feed
		r        *room
		v        *live.View
		complete atomic.Bool
		stop     func()
	)
	// begin runs a view on a store with the given values.
	begin := func(latest ...store.Change) {
		GinkgoHelper()
		f, r = newFeed(), &room{members: make(map[*dashboard]struct{})}
		for _, c := range latest {
			f.holds(c)
		}
		log := logrus.New()
		log.SetOutput(io.Discard)
		v = live.New(live.Options{
			Catalog: catalog, Feed: f, History: f, Audience: r, Complete: complete.Load, Logger: log,
			MaxAge: time.Hour, Compare: time.Hour,
		})
		ctx, cancel := context.WithCancel(context.Background())
		over, ready := make(chan error, 1), make(chan struct{})
		go func() { over <- v.Run(ctx, func() { close(ready) }) }()
		Eventually(ready).Should(BeClosed())
		stop = func() {
			cancel()
			Eventually(over).Should(Receive(MatchError(context.Canceled)))
		}
		DeferCleanup(func() { stop() })
	}
	join := func() *dashboard {
		d := &dashboard{room: r}
		Expect(v.Join(d, "acme", "eu-west")).To(Succeed())
		return d
	}
	answer := func(d *dashboard, source string) error {
		return v.Answer(context.Background(), d, "acme", source, func(s *live.Snapshot) error {
			for _, m := range s.Values {
				_ = d.Tell(m.Data)
			}
			return nil
		})
	}
	announce := func(c store.Change, clock int) {
		v.Announce(live.Announcement{API: c.API, Source: c.Source, Hash: c.Hash, Clock: time.UnixMilli(int64(clock)), Update: c.Data},
			func() { r.pass(c.Data, true) })
	}
	BeforeEach(func() { complete.Store(true) })

	It("sends each value of the feed once, whatever the clocks say", func() {
		begin(value(1))
		d := join()
		for i, n := range []int{2, 2, 3, 1} {
			c := value(n)
			c.UpdatedAt = time.UnixMilli(int64(-i))
			f.changes <- c
		}
		Eventually(d.told).Should(Equal([]string{"2", "3", "1"}))
		f.changes <- store.Change{Metric: store.Metric{API: "other", Source: "eu-west", Hash: "x"}}
		Expect(v.Snapshot(context.Background(), "acme", "eu-west")).To(HaveField("Values", HaveExactElements(HaveField("Hash", value(1).Hash))))
		Expect(d.told()).To(HaveLen(3))
	})

	It("sends to all instances what only this one hears of, and to its own what it found", func() {
		complete.Store(false)
		begin(value(1))
		f.changes <- value(2)
		f.holds(value(3))
		Expect(v.Refresh(context.Background())).To(Succeed())
		r.mu.Lock()
		defer r.mu.Unlock()
		Expect(r.sent).To(Equal([]string{"1", "2", "3"}))
		Expect(r.scope).To(Equal([]bool{true, false, true}))
	})

	It("encodes an answer once until something changes", func() {
		begin(value(1))
		encoded := 0
		ask := func(source string) any {
			s, err := v.Snapshot(context.Background(), "acme", source)
			Expect(err).NotTo(HaveOccurred())
			text, err := s.Encoded(func(values []store.Metric) (any, error) {
				encoded++
				return fmt.Sprint(len(values), " ", string(values[0].Data)), nil
			})
			Expect(err).NotTo(HaveOccurred())
			return text
		}
		for range 3 {
			Expect(ask("")).To(Equal("1 1"))
			Expect(ask("eu-west")).To(Equal("1 1"))
		}
		Expect(encoded).To(Equal(2))
		f.changes <- value(2)
		Eventually(func() any { return ask("") }).Should(Equal("1 2"))
		Expect(ask("eu-west")).To(Equal("1 2"))
		_, err := v.Snapshot(context.Background(), "acme", "us-east")
		Expect(err).To(MatchError(store.ErrNotFound))
	})

	It("answers ten thousand questions at once with one look into the store, and from memory while it is away", func() {
		complete.Store(false)
		now := atomic.Int64{}
		f, r = newFeed(value(1)), &room{}
		log := logrus.New()
		log.SetOutput(io.Discard)
		v = live.New(live.Options{
			Catalog: catalog, Feed: f, History: f, Audience: r, Complete: complete.Load, Logger: log, MaxAge: time.Second,
			Now: func() time.Time { return time.Unix(now.Load(), 0) },
		})
		ctx, cancel := context.WithCancel(context.Background())
		var work sync.WaitGroup
		ready := make(chan struct{})
		work.Go(func() { _ = v.Run(ctx, func() { close(ready) }) })
		DeferCleanup(func() { cancel(); work.Wait() })
		Eventually(ready).Should(BeClosed())
		now.Add(2)
		f.held, f.hold = make(chan struct{}), make(chan struct{})
		var asking sync.WaitGroup
		for range 10_000 {
			asking.Go(func() {
				defer GinkgoRecover()
				Expect(v.Snapshot(ctx, "acme", "")).To(HaveField("Values", HaveLen(1)))
			})
		}
		<-f.held
		close(f.hold)
		go func() { // a question that came later may look again
			for range f.held {
				continue
			}
		}()
		asking.Wait()
		close(f.held)
		Expect(f.looks.Load()).To(BeNumerically("<=", 2))
		now.Add(100)
		f.fail(errors.New("away"))
		Expect(v.Snapshot(ctx, "acme", "")).To(HaveField("Values", HaveLen(1)))
		age, known := v.Age()
		Expect(known).To(BeTrue())
		Expect(age).To(Equal(100 * time.Second))
	})

	It("tells a dashboard with its subscription what came after its answer, once", func() {
		begin(value(1))
		d, fresh := &dashboard{room: r}, &dashboard{room: r}
		Expect(answer(d, "")).To(Succeed())
		f.changes <- value(2)
		Eventually(r.heard).Should(ContainElement("2"))
		for range 2 {
			Expect(v.Join(d, "acme", "eu-west")).To(Succeed())
		}
		Expect(d.told()).To(Equal([]string{"1", "2"}))
		v.Leave(d, "acme", "eu-west", d.leave)
		Expect(v.Join(d, "acme", "eu-west")).To(Succeed())
		Expect(v.Join(fresh, "acme", "eu-west")).To(Succeed())
		Expect(d.told()).To(Equal([]string{"1", "2"}))
		Expect(fresh.told()).To(BeEmpty(), "it has asked nothing")
	})

	It("takes an answer about one region for no answer about another", func() {
		begin(value(1))
		d := &dashboard{room: r}
		east := value(1)
		east.Source = "us-east"
		f.changes <- east
		Eventually(r.heard).Should(HaveLen(2))
		Expect(answer(d, "us-east")).To(Succeed())
		f.changes <- value(2)
		Eventually(r.heard).Should(HaveLen(3))
		Expect(v.Join(d, "acme", "eu-west")).To(Succeed())
		Expect(d.told()).To(Equal([]string{"1"}))
	})

	It("keeps nothing of dashboards that have gone", func() {
		begin(value(1))
		d := &dashboard{room: r}
		Expect(answer(d, "")).To(Succeed())
		d.gone.Store(true)
		v.Forget(d)
		Expect(answer(d, "")).To(Succeed(), "a question that was under way")
		d.gone.Store(false)
		f.changes <- value(2)
		Eventually(r.heard).Should(HaveLen(2))
		Expect(v.Join(d, "acme", "eu-west")).To(Succeed())
		Expect(d.told()).To(Equal([]string{"1", "1"}), "it counts as one that has asked nothing")
	})

	Describe("with a complete feed", func() {
		It("leaves an announcement out that the feed brings, before or after it", func() {
			begin(value(1))
			d := join()
			f.changes <- value(2)
			Eventually(d.told).Should(Equal([]string{"2"}))
			announce(value(2), 1)
			f.holds(value(2))
			f.holds(value(3))
			announce(value(3), 2) // the feed is late
			announce(value(2), 1) // a Node instance is late
			f.changes <- value(3)
			Eventually(d.told).Should(Equal([]string{"2", "3"}))
			announce(value(99), 3)
			Eventually(d.told, "5s").Should(Equal([]string{"2", "3", "99"}), "behind the others, which were judged before")
		})

		It("passes on what the store never had, once, and the feed's next change after it", func() {
			begin(value(1))
			d := join()
			announce(value(50), 1)
			Eventually(d.told, "5s").Should(Equal([]string{"50"}))
			announce(value(50), 2)
			Expect(v.Refresh(context.Background())).To(Succeed())
			Expect(d.told()).To(Equal([]string{"50"}))
			f.changes <- value(2)
			Eventually(d.told).Should(Equal([]string{"50", "2"}))
			announce(value(51), 3)
			Eventually(d.told, "5s").Should(Equal([]string{"50", "2", "51"}))
		})

		It("passes an announcement on while the history cannot be read", func() {
			begin(value(1))
			d := join()
			f.fail(errors.New("away"))
			announce(value(50), 1)
			Eventually(d.told, "5s").Should(Equal([]string{"50"}))
		})
	})

	Describe("without a complete feed", func() {
		BeforeEach(func() { complete.Store(false) })

		It("sends announcements in the order in which they come, each once, and repetitions not at all", func() {
			begin(value(1))
			d := join()
			for i, n := range []int{2, 2, 3} {
				f.holds(value(n))
				announce(value(n), i)
			}
			announce(value(2), 1)
			Expect(d.told()).To(Equal([]string{"2", "3"}))
			Eventually(f.looks.Load, "5s").Should(BeNumerically(">", 0))
			Expect(d.told()).To(Equal([]string{"2", "3"}))
		})

		It("lets the store have the last word where an old announcement came late", func() {
			begin(value(9), value(1))
			d := join()
			f.holds(value(2))
			announce(value(2), 1)
			Expect(v.Refresh(context.Background())).To(Succeed())
			announce(value(1), 5) // by a clock that is ahead; it was sent a while ago
			Expect(d.told()).To(Equal([]string{"2"}))
			announce(value(9), 6)
			Expect(d.told()).To(Equal([]string{"2", "9"}))
			Eventually(d.told, "5s").Should(Equal([]string{"2", "9", "2"}))
		})

		It("asks the store about what seems late, and sends what the store does not have", func() {
			begin(value(1))
			d := join()
			newest := value(3)
			newest.UpdatedAt = time.UnixMilli(1000)
			f.holds(value(2))
			f.holds(newest)
			Expect(v.Refresh(context.Background())).To(Succeed())
			announce(value(2), 999) // a queue stood still meanwhile
			announce(value(50), 5)  // by an outsider whose clock is behind
			Eventually(d.told, "5s").Should(Equal([]string{"3", "50"}))
		})

		It("sends a value that returns although its announcer's clock was set back", func() {
			begin(value(1))
			d := join()
			f.holds(value(2))
			announce(value(2), 1000)
			Expect(v.Refresh(context.Background())).To(Succeed())
			f.holds(value(1))
			announce(value(1), 3)
			Eventually(d.told, "5s").Should(Equal([]string{"2", "1"}))
		})

		It("does not take what a slow look into the store found for newer than what was announced meanwhile", func() {
			begin(value(1))
			d := join()
			f.holds(value(2))
			f.held, f.hold = make(chan struct{}, 8), make(chan struct{})
			over := make(chan error, 1)
			go func() { over <- v.Refresh(context.Background()) }()
			<-f.held
			f.holds(value(3))
			announce(value(3), 1)
			close(f.hold)
			Eventually(over).Should(Receive(BeNil()))
			Eventually(f.looks.Load, "5s").Should(BeNumerically(">=", 2), "it looks again")
			Expect(d.told()).To(Equal([]string{"3"}))
		})
	})

	It("never tells a dashboard an older value after a newer one, or one twice, however much happens at once", func() {
		begin(value(0))
		const last = 1500
		var work sync.WaitGroup
		all := make(chan *dashboard, 8*25)
		over := make(chan struct{})
		for range 8 {
			work.Go(func() {
				defer GinkgoRecover()
				for range 25 {
					select {
					case <-over:
						return
					default:
					}
					d := &dashboard{room: r}
					all <- d
					Expect(answer(d, "")).To(Succeed())
					Expect(v.Join(d, "acme", "eu-west")).To(Succeed())
					Expect(answer(d, "eu-west")).To(Succeed())
					v.Leave(d, "acme", "eu-west", d.leave)
					Expect(v.Join(d, "acme", "eu-west")).To(Succeed())
				}
			})
		}
		for n := 1; n <= last; n++ {
			f.holds(value(n))
			f.changes <- value(n)
			if n%10 == 0 {
				announce(value(n-5), n)
			}
		}
		close(over)
		work.Wait()
		close(all)
		Eventually(r.heard).Should(HaveLen(last + 1))
		for d := range all {
			got := d.told()
			before, answers := -1, 0
			for _, text := range got {
				var n int
				Expect(json.Unmarshal([]byte(text), &n)).To(Succeed())
				if n == before {
					answers++ // an answer repeats what an update has brought
				} else {
					Expect(n).To(BeNumerically(">", before))
				}
				before = n
			}
			Expect(answers).To(BeNumerically("<=", 2))
			Expect(got[len(got)-1]).To(Equal(fmt.Sprint(last)))
		}
	})
})
