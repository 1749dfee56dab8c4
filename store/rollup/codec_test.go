package rollup

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

func chunkOf(tier store.Tier, start int64, points []point) store.Chunk {
	return store.Chunk{Tier: tier, Start: time.UnixMilli(start).UTC(), Data: encodeChunk(tier, start, points)}
}

func pointsOf(c store.Chunk) (all []point, err error) {
	d := decode(c)
	for d.scan() {
		all = append(all, d.point)
	}
	return all, d.err
}

// randomPoints are those of a chunk that begins at start.
func randomPoints(random *rand.Rand, tier store.Tier, start int64) (all []point) {
	step := tier.Step().Milliseconds()
	number := func() value {
		v := value{kind: numeric, number: float64(random.IntN(2000)) / 4}
		switch random.IntN(8) {
		case 0:
			v.number = random.NormFloat64() * math.Pow(10, float64(random.IntN(600)-300))
		case 1:
			v.number = 0
		}
		return v
	}
	for at := start; at < start+tier.Span().Milliseconds(); at += step {
		if random.IntN(4) == 0 {
			continue
		}
		p := point{at: at}
		left := float64(step)
		for range random.IntN(4) {
			v := number()
			if random.IntN(20) == 0 {
				v = value{kind: textual, text: []string{"ok", "degraded", "größer"}[random.IntN(3)]}
			}
			p.row(v)
			held := math.Floor(left * random.Float64())
			if random.IntN(3) == 0 {
				held = left
			}
			p.hold(v, held)
			left -= held
		}
		if !p.empty() {
			all = append(all, p)
		}
	}
	return all
}

func same(a, b point) bool {
	plain := func(s Stat) Stat { s.spread, s.coded = nil, nil; return s }
	near := func(x, y float64) bool { return x == y || math.Abs(x-y) <= 1e-12*math.Abs(y) }
	x, y := plain(a.Stat), plain(b.Stat)
	if !near(x.Sum, y.Sum) && !(math.IsInf(x.Sum, 0) && x.Min == x.Max) {
		return false
	}
	x.Sum, y.Sum = 0, 0
	if x.IsText {
		x.Last, y.Last = 0, 0
	} else {
		x.Text, y.Text = "", ""
	}
	for _, q := range []float64{0, 0.5, 0.95, 1} {
		if p, o := a.Quantile(q), b.Quantile(q); p != o && !math.IsNaN(p) {
			return false
		}
	}
	return a.at == b.at && reflect.DeepEqual(x, y)
}

func TestPointsComeBackAsTheyWere(t *testing.T) {
	g := NewWithT(t)
	random := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		for _, tier := range store.Tiers() {
			start := floor(random.Int64N(2e12)-1e11, tier.Span())
			want := randomPoints(random, tier, start)
			c := chunkOf(tier, start, want)
			got, err := pointsOf(c)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(HaveLen(len(want)))
			for i := range want {
				g.Expect(same(got[i], want[i])).To(BeTrue(), "%+v is not %+v", got[i], want[i])
			}
			g.Expect(encodeChunk(tier, start, got)).To(Equal(c.Data), "the same bytes again")
		}
	}
}

func TestAPointOfAValueThatHoldsIsSmall(t *testing.T) {
	g := NewWithT(t)
	var constant, changing []point
	for i := range 60 {
		p := point{at: int64(i) * 60_000}
		p.hold(value{kind: numeric, number: 0.25}, 60_000)
		constant = append(constant, p)
		p = point{at: int64(i) * 60_000}
		p.row(value{kind: numeric, number: float64(i) / 100})
		p.hold(value{kind: numeric, number: float64(i) / 100}, 60_000)
		changing = append(changing, p)
	}
	g.Expect(len(encodeChunk(store.TierMinute, 0, constant))).To(BeNumerically("<", 130))
	g.Expect(len(encodeChunk(store.TierMinute, 0, changing))).To(BeNumerically("<", 60*12))
}

func TestNumbersAreSpelledExactly(t *testing.T) {
	g := NewWithT(t)
	random := rand.New(rand.NewPCG(2, 2))
	check := func(v float64) {
		d := decoder{rest: appendNumber(nil, v)}
		got := d.sum()
		g.Expect(d.err).NotTo(HaveOccurred())
		g.Expect(math.Float64bits(got)).To(Equal(math.Float64bits(v)), "%v", v)
		g.Expect(d.rest).To(BeEmpty())
	}
	for _, v := range []float64{0, math.Copysign(0, -1), 1, -1, 0.001, -0.001, 0.1, 1.0 / 3, 1 << 49, 1 << 50, 1 << 60, -1 << 50, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1)} {
		check(v)
	}
	for range 10_000 {
		check(float64(random.IntN(2e6)-1e6) / 1000)
		check(random.NormFloat64() * math.Pow(10, float64(random.IntN(40)-20)))
	}
}

func FuzzDecode(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 3))
	for range 10 {
		for i, tier := range store.Tiers() {
			f.Add(uint8(i), encodeChunk(tier, 0, randomPoints(random, tier, 0)))
		}
	}
	f.Fuzz(func(t *testing.T, tier uint8, data []byte) {
		c := store.Chunk{Tier: store.Tiers()[tier%3], Start: time.UnixMilli(0), Data: data}
		points, err := pointsOf(c)
		if err != nil {
			return
		}
		var sum Stat
		for i := range points {
			if i > 0 && points[i].at <= points[i-1].at || points[i].at >= c.Tier.Span().Milliseconds() {
				t.Fatal("points out of order")
			}
			if sum.merge(&points[i].Stat, 1, true) != nil {
				return // a damaged digest
			}
			_, _ = points[i].Quantile(0.5), points[i].Avg()
		}
		_, _ = sum.Quantile(0.5), sum.Avg()
		again, err := pointsOf(chunkOf(c.Tier, 0, points))
		if err != nil || len(again) != len(points) {
			t.Fatalf("what it writes it does not read: %v", err)
		}
	})
}
