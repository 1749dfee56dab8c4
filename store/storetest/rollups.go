package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2" //nolint:revive // the suites read as sentences with it
	. "github.com/onsi/gomega"    //nolint:revive // likewise

	"github.com/devops-insights/devops-insights/store"
)

func (p *past) mark(source string) store.Mark {
	GinkgoHelper()
	m, err := p.s.Mark(p.ctx, "acme", source)
	Expect(err).NotTo(HaveOccurred())
	return m
}

// roll stores chunks and puts the mark of us-east where it says.
func (p *past) roll(to time.Time, chunks ...store.Chunk) {
	GinkgoHelper()
	m := p.mark("us-east")
	m.To = to
	Expect(p.s.PutChunks(p.ctx, 1, m, chunks)).To(Succeed())
}

// chunk returns one that begins so many spans after base.
func chunk(field string, tier store.Tier, span int, data string) store.Chunk {
	return store.Chunk{API: "acme", Source: "us-east", Field: field, Tier: tier, Start: base().Add(time.Duration(span) * tier.Span()), Data: []byte(data)}
}

// chunks returns the data that a query brings.
func (p *past) chunks(q store.ChunkQuery) (all []string) {
	GinkgoHelper()
	q.API = "acme"
	if q.Source == "" {
		q.Source = "us-east"
	}
	var before time.Time
	Expect(p.s.ScanChunks(p.ctx, q, func(c store.Chunk) error {
		Expect(c.Start.After(before)).To(BeTrue())
		Expect(c.Start.Location()).To(Equal(time.UTC))
		before = c.Start
		Expect([]string{c.API, c.Source, c.Field, string(c.Tier)}).To(Equal([]string{q.API, q.Source, q.Field, string(q.Tier)}))
		all = append(all, string(c.Data))
		return nil
	})).To(Succeed())
	return all
}

func (p *past) rollupSpecs() {
	It("are none of a region that has not been rolled up, whose mark has names only", func() {
		Expect(p.mark("us-east")).To(Equal(store.Mark{API: "acme", Source: "us-east"}))
		Expect(p.chunks(store.ChunkQuery{Field: "n", Tier: store.TierMinute})).To(BeEmpty())
	})

	It("come with their mark, over a reopening too", func() {
		m := p.mark("us-east")
		m.To, m.Fields = base().Add(time.Minute), []string{"z", "a.b", `c\.d`, "$e", "é"}
		var all []store.Chunk
		for _, field := range m.Fields {
			all = append(all, chunk(field, store.TierMinute, 0, field+"\x00\xff"))
		}
		Expect(p.s.PutChunks(p.ctx, 1, m, all)).To(Succeed())
		for range 2 {
			now := p.mark("us-east")
			Expect(now.To).To(Equal(m.To))
			Expect(now.Fields).To(Equal(m.Fields), "in their order")
			Expect(now.Revision).NotTo(Equal(m.Revision))
			for _, field := range m.Fields {
				Expect(p.chunks(store.ChunkQuery{Field: field, Tier: store.TierMinute})).To(Equal([]string{field + "\x00\xff"}))
			}
			Expect(p.s.Close()).To(Succeed())
			p.s = p.open()
		}
	})

	It("are replaced by field, tier and start", func() {
		p.roll(base(), chunk("n", store.TierHour, 0, "first"), chunk("n", store.TierHour, 1, "other"))
		p.roll(base(), chunk("n", store.TierHour, 0, "second"))
		Expect(p.chunks(store.ChunkQuery{Field: "n", Tier: store.TierHour})).To(Equal([]string{"second", "other"}))
	})

	It("come oldest first from their own field, tier, region and time", func() {
		for _, tier := range store.Tiers() {
			for _, span := range []int{5, 0, 1, 2, 9, -3} {
				p.roll(base(), chunk("n", tier, span, fmt.Sprint(tier, span)), chunk("m", tier, span, "of m"), chunk("nn", tier, span+1, "of nn"))
			}
		}
		other := store.Mark{API: "acme", Source: "us-east-2"}
		c := chunk("n", store.TierMinute, 1, "of us-east-2")
		c.Source = other.Source
		Expect(p.s.PutChunks(p.ctx, 1, other, []store.Chunk{c})).To(Succeed())
		Expect(p.chunks(store.ChunkQuery{Source: "us-east-2", Field: "n", Tier: store.TierMinute})).To(Equal([]string{"of us-east-2"}))
		Expect(p.chunks(store.ChunkQuery{Source: "us", Field: "n", Tier: store.TierMinute})).To(BeEmpty())
		for _, tier := range store.Tiers() {
			at := func(spans float64) time.Time { return base().Add(time.Duration(spans * float64(tier.Span()))) }
			name := func(spans ...int) (names []string) {
				for _, span := range spans {
					names = append(names, fmt.Sprint(tier, span))
				}
				return names
			}
			for _, ask := range []struct {
				from, to time.Time
				want     []string
			}{
				{time.Time{}, time.Time{}, name(-3, 0, 1, 2, 5, 9)}, {at(1), at(2), name(1)}, {at(1), at(2).Add(time.Millisecond), name(1, 2)},
				{at(1.5), at(1.6), name(1)}, {at(2.5), time.Time{}, name(2, 5, 9)}, {time.Time{}, at(0), name(-3)}, {at(3), at(5), nil}, {at(10), time.Time{}, nil}, {at(2), at(1), nil},
			} {
				Expect(p.chunks(store.ChunkQuery{Field: "n", Tier: tier, From: ask.from, To: ask.to})).To(Equal(ask.want), "%s from %s to %s", tier, ask.from, ask.to)
			}
		}
	})

	It("may be many, and large", func() {
		var all []store.Chunk
		var want []string
		for n := range 1200 {
			data := string(bytes.Repeat([]byte{byte(n)}, 100+n%7*500))
			all, want = append(all, chunk("n", store.TierMinute, n, data)), append(want, data)
		}
		for part := range slices.Chunk(all, 300) {
			p.roll(base(), part...)
		}
		Expect(p.chunks(store.ChunkQuery{Field: "n", Tier: store.TierMinute})).To(Equal(want))
		large := string(bytes.Repeat([]byte("x"), 300_000))
		p.roll(base(), chunk("large", store.TierDay, 0, large))
		Expect(p.chunks(store.ChunkQuery{Field: "large", Tier: store.TierDay})).To(Equal([]string{large}))
	})

	It("are not written by one who has not seen what is there by now", func() {
		m := p.mark("us-east")
		m.To, m.Fields = base(), []string{"n"}
		Expect(p.s.PutChunks(p.ctx, 1, m, []store.Chunk{chunk("n", store.TierHour, 0, "first")})).To(Succeed())
		now := p.mark("us-east")
		m.To, m.Fields = base().Add(time.Hour), []string{"n", "m"}
		Expect(p.s.PutChunks(p.ctx, 1, m, nil)).To(MatchError(store.ErrConflict))
		Expect(p.mark("us-east")).To(Equal(now))
	})

	It("are not written by one whose term is over", func() {
		m := p.mark("us-east")
		Expect(p.s.PutChunks(p.ctx, 2, m, nil)).To(Succeed())
		for range 2 {
			m = p.mark("us-east")
			Expect(p.s.PutChunks(p.ctx, 1, m, nil)).To(MatchError(store.ErrFenced))
			Expect(p.mark("us-east")).To(Equal(m))
			Expect(p.s.Close()).To(Succeed())
			p.s = p.open()
		}
		Expect(p.s.PutChunks(p.ctx, 2, m, nil)).To(Succeed())
		Expect(p.s.PutChunks(p.ctx, 3, p.mark("us-east"), nil)).To(Succeed())
	})

	It("are written by one of several who have seen the same", func() {
		m := p.mark("us-east")
		answers := make(chan error, 8)
		for n := range cap(answers) {
			go func() {
				mine := m
				mine.To = base().Add(time.Duration(n) * time.Minute)
				answers <- p.s.PutChunks(p.ctx, 1, mine, []store.Chunk{chunk("n", store.TierHour, n, fmt.Sprint(n))})
			}()
		}
		written := 0
		for range cap(answers) {
			var err error
			Eventually(answers, "20s").Should(Receive(&err))
			if err == nil {
				written++
				continue
			}
			Expect(err).To(MatchError(store.ErrConflict))
		}
		Expect(written).To(Equal(1))
	})

	It("end with the error of the function, which may use the store", func() {
		p.roll(base(), chunk("n", store.TierHour, 0, "a"), chunk("n", store.TierHour, 1, "b"))
		boom, n := errors.New("boom"), 0
		Expect(p.s.ScanChunks(p.ctx, store.ChunkQuery{API: "acme", Source: "us-east", Field: "n", Tier: store.TierHour}, func(c store.Chunk) error {
			if n++; n == 2 {
				return boom
			}
			p.roll(base(), chunk("n", store.TierHour, 0, "changed"))
			return nil
		})).To(MatchError(boom))
		Expect(p.chunks(store.ChunkQuery{Field: "n", Tier: store.TierHour})).To(Equal([]string{"changed", "b"}))
	})
}

func (p *past) lateSpecs() {
	minute := func(ago time.Duration) time.Time { return time.Now().Add(-ago).UTC().Truncate(time.Minute) }
	// taken stores a row and says where the mark is then, and whether it changed.
	taken := func(store func()) (to time.Time, revised bool) {
		GinkgoHelper()
		before := p.mark("us-east")
		store()
		after := p.mark("us-east")
		return after.To, before.Revision != after.Revision
	}
	saved := func(at time.Time) func() {
		return func() {
			GinkgoHelper()
			Expect(p.save("us-east", fmt.Sprintf(`{"at":%d}`, at.UnixMilli()), at)).To(BeTrue())
		}
	}

	It("take the mark back to their minute", func() {
		p.roll(minute(2*time.Minute), chunk("n", store.TierHour, 0, "stays"))
		at := minute(time.Hour).Add(30 * time.Second)
		to, revised := taken(saved(at))
		Expect(to).To(Equal(at.Truncate(time.Minute)))
		Expect(revised).To(BeTrue())
		to, revised = taken(saved(at.Add(10 * time.Minute)))
		Expect(to).To(Equal(at.Truncate(time.Minute)), "it is before this one already")
		Expect(revised).To(BeTrue(), "it may just be read")
		Expect(p.chunks(store.ChunkQuery{Field: "n", Tier: store.TierHour})).To(Equal([]string{"stays"}))
		Expect(p.s.Close()).To(Succeed())
		p.s = p.open()
		Expect(p.mark("us-east").To).To(Equal(at.Truncate(time.Minute)))
	})

	It("are never left behind a mark that is put at the same time", func() {
		at := minute(time.Hour)
		for n := range 20 {
			m := p.mark("us-east")
			m.To = minute(2 * time.Minute)
			put := make(chan error, 1)
			go func() { put <- p.s.PutChunks(p.ctx, 1, m, []store.Chunk{chunk("n", store.TierHour, n, "x")}) }()
			Expect(p.save("us-east", fmt.Sprint(n), at)).To(BeTrue())
			var err error
			Eventually(put, "20s").Should(Receive(&err))
			Expect(err).To(Or(BeNil(), MatchError(store.ErrConflict)))
			Expect(p.mark("us-east").To).To(BeTemporally("<=", at))
		}
	})

	It("are noticed before the first mark too", func() {
		m := p.mark("us-east")
		to, revised := taken(saved(minute(time.Hour)))
		Expect(to).To(BeZero())
		Expect(revised).To(BeTrue())
		m.To = minute(time.Minute)
		Expect(p.s.PutChunks(p.ctx, 1, m, nil)).To(MatchError(store.ErrConflict))
	})

	It("are none that are taken just now, nor values that have not changed", func() {
		p.roll(minute(2 * time.Minute))
		now := time.Now()
		to, revised := taken(saved(now))
		Expect(to).To(Equal(p.mark("us-east").To))
		Expect(revised).To(BeFalse())
		_, revised = taken(func() {
			Expect(p.save("us-east", fmt.Sprintf(`{"at":%d}`, now.UnixMilli()), minute(time.Hour))).To(BeFalse())
		})
		Expect(revised).To(BeFalse())
		_, revised = taken(func() { Expect(p.save("eu-west", `1`, minute(time.Hour))).To(BeTrue()) })
		Expect(revised).To(BeFalse(), "another region")
	})

	It("are those of a time that is rolled up, whatever a clock says", func() {
		p.roll(minute(-time.Hour)) // it was an hour ahead
		at := time.Now()
		to, revised := taken(saved(at))
		Expect(to).To(Equal(at.UTC().Truncate(time.Minute)))
		Expect(revised).To(BeTrue())
	})

	It("may be imported", func() {
		p.roll(minute(2 * time.Minute))
		at := minute(time.Hour).Add(time.Second)
		one := row("us-east", `1`, at)
		to, revised := taken(func() {
			Expect(p.s.Import(p.ctx, []store.Metric{one, row("us-east", `2`, at.Add(10*time.Minute))})).To(Equal(2))
		})
		Expect(to).To(Equal(minute(time.Hour)))
		Expect(revised).To(BeTrue())
		_, revised = taken(func() { Expect(p.s.Import(p.ctx, []store.Metric{one})).To(Equal(0)) })
		Expect(revised).To(BeFalse())
	})
}
