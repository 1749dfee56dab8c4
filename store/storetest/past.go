package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2" //nolint:revive // the suites read as sentences with it
	. "github.com/onsi/gomega"    //nolint:revive // likewise

	"github.com/devops-insights/devops-insights/store"
)

// Past is a store that keeps more of the past than its rows.
type Past interface {
	store.Store
	store.Past
}

// PastFactory is a Factory of such stores.
type PastFactory func() Past

// past is what its specs share.
type past struct {
	fresh func() PastFactory
	open  PastFactory
	s     Past
	ctx   context.Context
}

// PastSpecs registers what a store does with store.Past. fresh returns a
// PastFactory over empty data. The clock of the store is expected to be right.
func PastSpecs(name string, fresh func() PastFactory) bool {
	return Context(name+" as a store of the past", func() {
		p := &past{fresh: fresh}
		BeforeEach(func() {
			var cancel context.CancelFunc
			p.ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
			DeferCleanup(cancel)
			p.open = fresh()
			p.s = p.open()
		})
		Context("intervals", p.outcomeSpecs)
		Context("tiers", p.rollupSpecs)
		Context("late rows", p.lateSpecs)
		Context("import", p.importSpecs)

		It("answers ErrClosed after Close", func() {
			Expect(p.s.Close()).To(Succeed())
			Expect(p.s.PutOutcomes(p.ctx, 1, []store.Interval{interval("us-east", 0, 10)})).To(MatchError(store.ErrClosed))
			_, err := p.s.LastOutcome(p.ctx, "acme", "us-east")
			Expect(err).To(MatchError(store.ErrClosed))
			Expect(p.s.ScanOutcomes(p.ctx, "acme", "us-east", time.Time{}, time.Time{}, nil)).To(MatchError(store.ErrClosed))
			_, err = p.s.Mark(p.ctx, "acme", "us-east")
			Expect(err).To(MatchError(store.ErrClosed))
			Expect(p.s.PutChunks(p.ctx, 1, store.Mark{API: "acme", Source: "us-east"}, nil)).To(MatchError(store.ErrClosed))
			Expect(p.s.ScanChunks(p.ctx, store.ChunkQuery{API: "acme", Source: "us-east", Field: "n", Tier: store.TierMinute}, nil)).To(MatchError(store.ErrClosed))
			_, err = p.s.Import(p.ctx, []store.Metric{row("us-east", `1`, base())})
			Expect(err).To(MatchError(store.ErrClosed))
		})
	})
}

// base is a whole day of a 32nd day since 1970, so that spans of all tiers begin
// there.
func base() time.Time { return time.UnixMilli(0).UTC().Add(640 * 32 * 24 * time.Hour) }

// interval returns one of minutes after base.
func interval(source string, from, to int) store.Interval {
	at := func(minutes int) time.Time { return base().Add(time.Duration(minutes) * time.Minute) }
	return store.Interval{API: "acme", Source: source, From: at(from), To: at(to), Until: at(to + 2), State: store.StateUp, Polls: int64(to - from)}
}

// row returns a row as another store has it.
func row(source, data string, at time.Time) store.Metric {
	return store.Metric{API: "acme", Source: source, Data: json.RawMessage(data), Hash: store.Hash([]byte(data)), CreatedAt: at, UpdatedAt: at}
}

func (p *past) save(source, data string, at time.Time) bool {
	GinkgoHelper()
	changed, err := p.s.Save(p.ctx, store.Sample{API: "acme", Source: source, Data: json.RawMessage(data), At: at})
	Expect(err).NotTo(HaveOccurred())
	return changed
}

func (p *past) put(term int64, all ...store.Interval) {
	GinkgoHelper()
	Expect(p.s.PutOutcomes(p.ctx, term, all)).To(Succeed())
}

// intervals returns those of a region in minutes after base; -1 is no bound.
func (p *past) intervals(source string, from, to int) (all []store.Interval) {
	GinkgoHelper()
	at := func(minutes int) time.Time {
		if minutes < 0 {
			return time.Time{}
		}
		return base().Add(time.Duration(minutes) * time.Minute)
	}
	Expect(p.s.ScanOutcomes(p.ctx, "acme", source, at(from), at(to), func(i store.Interval) error {
		all = append(all, plain(i))
		return nil
	})).To(Succeed())
	return all
}

// plain has one spelling for a latency of which nothing is known.
func plain(i store.Interval) store.Interval {
	if len(i.Latency) == 0 {
		i.Latency = nil
	}
	return i
}

// last returns the newest interval of a region.
func (p *past) last(source string) store.Interval {
	GinkgoHelper()
	i, err := p.s.LastOutcome(p.ctx, "acme", source)
	Expect(err).NotTo(HaveOccurred())
	return plain(i)
}

func (p *past) outcomeSpecs() {
	It("are none of a region that was never polled", func() {
		_, err := p.s.LastOutcome(p.ctx, "acme", "us-east")
		Expect(err).To(MatchError(store.ErrNotFound))
		Expect(p.intervals("us-east", -1, -1)).To(BeEmpty())
		Expect(p.s.PutOutcomes(p.ctx, 1, nil)).To(Succeed())
	})

	It("come back as they were, over a reopening too", func() {
		up, down := interval("us-east", 0, 10), interval("us-east", 10, 15)
		up.Latency, up.Failures = []byte{0, 0xff, 1, '$', '.'}, 0
		down.State, down.Reason, down.Failures, down.Until = store.StateDown, "TIMEOUT é <&>", 5, down.To.Add(1234*time.Millisecond)
		up.From, down.To = up.From.Add(7*time.Millisecond), down.To.Add(999*time.Millisecond)
		p.put(1, up, down)
		for range 2 {
			Expect(p.intervals("us-east", -1, -1)).To(Equal([]store.Interval{up, down}))
			Expect(p.last("us-east")).To(Equal(down))
			Expect(p.s.Close()).To(Succeed())
			p.s = p.open()
		}
	})

	It("are extended in place", func() {
		p.put(1, interval("us-east", 0, 1))
		for to := 2; to < 10; to++ {
			p.put(1, interval("us-east", 0, to))
		}
		Expect(p.intervals("us-east", -1, -1)).To(Equal([]store.Interval{interval("us-east", 0, 9)}))
	})

	It("come oldest first, however they were stored and however many they are", func() {
		var all []store.Interval
		for n := range 1100 {
			all = append(all, interval("us-east", n, n+1))
		}
		p.put(1, all[600:]...)
		p.put(1, all[:600]...)
		Expect(p.intervals("us-east", -1, -1)).To(Equal(all))
		Expect(p.intervals("us-east", 50, -1)).To(Equal(all[50:]))
		Expect(p.last("us-east")).To(Equal(all[1099]))
	})

	It("are those of which a part lies in the time", func() {
		a, b, c := interval("us-east", 0, 10), interval("us-east", 10, 20), interval("us-east", 30, 40)
		begun := interval("us-east", 50, 50) // its first poll alone
		p.put(1, a, b, c, begun)
		for _, ask := range []struct {
			from, to int
			want     []store.Interval
		}{
			{-1, -1, []store.Interval{a, b, c, begun}}, {0, 10, []store.Interval{a}}, {10, 20, []store.Interval{b}},
			{9, 11, []store.Interval{a, b}}, {5, 6, []store.Interval{a}}, {20, 30, nil}, {25, 31, []store.Interval{c}},
			{15, -1, []store.Interval{b, c, begun}}, {-1, 15, []store.Interval{a, b}}, {40, 50, nil}, {50, 51, []store.Interval{begun}}, {51, 60, nil}, {100, -1, nil},
		} {
			got := p.intervals("us-east", ask.from, ask.to)
			Expect(got).To(HaveLen(len(ask.want)), "from %d to %d: %v", ask.from, ask.to, got)
			for i, want := range ask.want {
				Expect(got[i].From).To(Equal(want.From), "from %d to %d", ask.from, ask.to)
			}
		}
	})

	It("are those of one region alone, whatever it is called", func() {
		for _, source := range []string{"us", "us-east", "us-east-2", "us.east", "$us"} {
			i := interval(source, 0, 10)
			i.Reason = source
			p.put(1, i)
			i.API, i.Reason = "acm", "other"
			p.put(1, i)
		}
		for _, source := range []string{"us", "us-east", "us-east-2", "us.east", "$us"} {
			all := p.intervals(source, -1, -1)
			Expect(all).To(HaveLen(1))
			Expect(all[0].Reason).To(Equal(source))
		}
	})

	It("are not written by one whose term is over, over a reopening too", func() {
		p.put(1, interval("us-east", 0, 10), interval("eu-west", 0, 10))
		before := p.last("us-east")
		p.put(2, before)
		for range 2 {
			Expect(p.s.PutOutcomes(p.ctx, 1, []store.Interval{interval("us-east", 0, 20), interval("us-east", 20, 30)})).To(MatchError(store.ErrFenced))
			Expect(p.intervals("us-east", -1, -1)).To(Equal([]store.Interval{before}))
			Expect(p.s.Close()).To(Succeed())
			p.s = p.open()
		}
		p.put(1, interval("eu-west", 0, 20)) // nobody has taken this one over
		Expect(p.intervals("eu-west", -1, -1)[0].To).To(Equal(base().Add(20 * time.Minute)))
		p.put(2, interval("us-east", 0, 12))
		p.put(7, interval("us-east", 0, 13))
		Expect(p.s.PutOutcomes(p.ctx, 2, []store.Interval{interval("us-east", 0, 14)})).To(MatchError(store.ErrFenced))
	})

	It("end with the error of the function, which may use the store", func() {
		p.put(1, interval("us-east", 0, 10), interval("us-east", 10, 20))
		boom, n := errors.New("boom"), 0
		Expect(p.s.ScanOutcomes(p.ctx, "acme", "us-east", time.Time{}, time.Time{}, func(i store.Interval) error {
			if n++; n == 2 {
				return boom
			}
			i.Reason = "seen"
			return p.s.PutOutcomes(p.ctx, 1, []store.Interval{i})
		})).To(MatchError(boom))
		Expect(p.intervals("us-east", -1, -1)[0].Reason).To(Equal("seen"))
	})
}

func (p *past) importSpecs() {
	rows := func(n int) (all []store.Metric) {
		for i := range n {
			all = append(all, row([]string{"us-east", "eu-west"}[i%2], fmt.Sprintf(`{"n":%d}`, i), base().Add(time.Duration(i/4)*time.Second)))
		}
		return all
	}
	history := func(s store.Reader) []store.Metric {
		GinkgoHelper()
		all, err := store.History(p.ctx, s, store.Query{API: "acme", Limit: 100_000, OldestFirst: true})
		Expect(err).NotTo(HaveOccurred())
		for i := range all {
			all[i].ID = ""
		}
		return all
	}

	It("adds rows as they are, and importing again adds nothing", func() {
		all := rows(3000)
		Expect(p.s.Import(p.ctx, all)).To(Equal(3000))
		Expect(history(p.s)).To(Equal(all))
		Expect(p.s.Import(p.ctx, all)).To(Equal(0))
		Expect(p.s.Import(p.ctx, all[1000:1010])).To(Equal(0))
		Expect(p.s.Import(p.ctx, nil)).To(Equal(0))
		Expect(history(p.s)).To(HaveLen(3000))
		other := p.fresh()()
		Expect(other.Import(p.ctx, history(p.s))).To(Equal(3000))
		Expect(history(other)).To(Equal(all))
	})

	It("adds a row once that comes twice, and what was added is there for a row that is saved", func() {
		one := row("us-east", `1`, base())
		Expect(p.s.Import(p.ctx, []store.Metric{one, one, row("us-east", `2`, base()), row("eu-west", `1`, base())})).To(Equal(3))
		Expect(p.save("eu-west", `1`, base().Add(time.Second))).To(BeFalse())
		Expect(p.save("eu-west", `2`, base().Add(time.Second))).To(BeTrue())
		Expect(p.s.Import(p.ctx, []store.Metric{row("eu-west", `2`, base().Add(time.Second))})).To(Equal(0))
		Expect(history(p.s)).To(HaveLen(4))
	})

	It("makes the newest row the latest value, and leaves a newer one alone", func() {
		p.save("us-east", `"old"`, base())
		p.save("eu-west", `"new"`, base().Add(time.Hour))
		at := base().Add(time.Minute)
		Expect(p.s.Import(p.ctx, []store.Metric{
			row("us-east", `"imported"`, at), row("us-east", `"older"`, at.Add(-time.Second)), row("eu-west", `"imported"`, at), row("sa-east", `"imported"`, at),
		})).To(Equal(4))
		for source, want := range map[string]string{"us-east": `"imported"`, "eu-west": `"new"`, "sa-east": `"imported"`} {
			m, err := p.s.Latest(p.ctx, "acme", source)
			Expect(err).NotTo(HaveOccurred())
			Expect(string(m.Data)).To(Equal(want))
			Expect(m.Hash).To(Equal(store.Hash([]byte(want))))
		}
		Expect(p.save("us-east", `"imported"`, base().Add(time.Hour))).To(BeFalse())
		Expect(p.save("us-east", `"old"`, base().Add(time.Hour))).To(BeTrue())
	})

	It("announces nothing", func() {
		p.save("us-east", `1`, base())
		h := Follow(p.s)
		Expect(p.s.Import(p.ctx, []store.Metric{row("us-east", `2`, base().Add(time.Second)), row("eu-west", `2`, base().Add(time.Second))})).To(Equal(2))
		p.save("us-east", `3`, base().Add(2*time.Second))
		Eventually(func() []string { return h.Values("us-east") }, "10s").Should(ContainElement("3"))
		for _, text := range h.All() {
			Expect(text).To(Or(Equal("us-east 1 snapshot"), Equal("us-east 3")))
		}
	})
}
