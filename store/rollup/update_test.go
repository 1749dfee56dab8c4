package rollup

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestAnUpdateAddsRegionsAndChangesWhatIsKeptOfThem(t *testing.T) {
	g := NewWithT(t)
	m := newMemory()
	now := everyHalfMinute(m, begin, 100).UnixMilli()
	r := NewRunner(Options{Store: m, API: "acme", Logger: silent(), Now: func() time.Time { return timeOf(now) }})
	round := func() {
		now += 60_000
		r.take()
		r.round(context.Background())
	}
	round()
	g.Expect(m.mark.Fields).To(BeEmpty(), "nothing is kept of a region that nobody named")
	r.Update([]Region{{Source: "us-east"}})
	r.Update([]Region{{Source: "eu-west", Fields: FieldOptions{Max: 2}}})
	round()
	g.Expect(m.mark.Fields).To(HaveLen(2))
	g.Expect(r.Lag()).To(Equal(timeOf(now).Sub(m.mark.To)))
	one := r.regions[0]
	r.Update([]Region{{Source: "eu-west", Fields: FieldOptions{Max: 2}}})
	round()
	g.Expect(r.regions[0]).To(BeIdenticalTo(one), "what is known of it stays known")
	r.Update([]Region{{Source: "eu-west", Fields: FieldOptions{Max: 4}}})
	round()
	g.Expect(m.mark.Fields).To(HaveLen(4))
	r.Update(nil)
	round()
	g.Expect(r.regions).To(BeEmpty())
	g.Expect(r.Lag()).To(BeZero(), "nothing is behind any more")
}
