package digest

import (
	"encoding"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
)

var _ encoding.BinaryAppender = (*Digest)(nil)

type weighted struct{ value, weight float64 }

// quantile is the plain answer.
func quantile(all []weighted, q float64) float64 {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b weighted) int {
		if a.value < b.value {
			return -1
		}
		return 1
	})
	total, sum := 0.0, 0.0
	for _, w := range all {
		total += w.weight
	}
	for _, w := range all {
		if sum += w.weight; sum >= q*total {
			return w.value
		}
	}
	return all[len(all)-1].value
}

func of(all []weighted) *Digest {
	d := New()
	for _, w := range all {
		d.Add(w.value, w.weight)
	}
	return d
}

func bytes(d *Digest) []byte {
	b, _ := d.AppendBinary(nil)
	return b
}

func values(random *rand.Rand, n int) (all []weighted) {
	scale := math.Pow(10, float64(random.IntN(24)-12))
	for range n {
		v := random.NormFloat64() * scale
		if random.IntN(10) == 0 {
			v = 0
		}
		all = append(all, weighted{v, float64(1 + random.IntN(60_000))})
	}
	return all
}

func TestQuantilesAreWithinTwoPercent(t *testing.T) {
	g := NewWithT(t)
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		all := values(random, 1+random.IntN(300))
		d := of(all)
		for _, q := range []float64{0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1} {
			want := quantile(all, q)
			g.Expect(d.Quantile(q)).To(BeNumerically("~", want, math.Abs(want)*Accuracy*1.0001), "q %v of %d", q, len(all))
		}
	}
}

func TestAQuantileAtABoundaryIsTheLesserValue(t *testing.T) {
	g := NewWithT(t)
	for _, pair := range [][2]float64{{10, 20}, {-20, -10}, {-10, 10}, {0, 10}, {-10, 0}} {
		d := of([]weighted{{pair[0], 57_000}, {pair[1], 3000}})
		g.Expect(d.Quantile(0.95)).To(BeNumerically("~", pair[0], math.Abs(pair[0])*Accuracy), "%v", pair)
		g.Expect(d.Quantile(0.951)).To(BeNumerically("~", pair[1], math.Abs(pair[1])*Accuracy), "%v", pair)
		g.Expect(d.Quantile(1)).To(BeNumerically("~", pair[1], math.Abs(pair[1])*Accuracy), "%v", pair)
		g.Expect(d.Quantile(0)).To(BeNumerically("~", pair[0], math.Abs(pair[0])*Accuracy), "%v", pair)
	}
}

func TestWhatIsNoNumberIsIgnored(t *testing.T) {
	g := NewWithT(t)
	d := New()
	g.Expect(d.Quantile(0.5)).To(Satisfy(math.IsNaN))
	d.Add(math.NaN(), 1)
	d.Add(math.Inf(1), 1)
	d.Add(math.Inf(-1), 1)
	d.Add(1, 0)
	d.Add(1, -1)
	d.Add(1, math.NaN())
	d.Add(1, math.Inf(1))
	g.Expect(d.Weight()).To(BeZero())
	g.Expect(bytes(d)).To(BeEmpty())
	d.Add(math.MaxFloat64, 1)
	d.Add(-math.MaxFloat64, 1)
	d.Add(math.SmallestNonzeroFloat64, 1)
	g.Expect(d.Weight()).To(Equal(3.0))
	g.Expect(d.Quantile(0.5)).To(BeZero())
	g.Expect(math.IsInf(d.Quantile(1), 0)).To(BeFalse())
	g.Expect(d.Quantile(1)).To(BeNumerically(">", 1e307))
	g.Expect(d.Quantile(math.NaN())).To(Satisfy(math.IsNaN))
	g.Expect(d.Quantile(7)).To(Equal(d.Quantile(1)))
}

func TestDigestsMergeWithoutAFurtherError(t *testing.T) {
	g := NewWithT(t)
	random := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		all := values(random, 200)
		whole, merged, read := of(all), New(), New()
		for part := range slices.Chunk(all, 1+random.IntN(50)) {
			merged.Merge(of(part))
			g.Expect(read.MergeBinary(bytes(of(part)))).To(Succeed())
		}
		g.Expect(bytes(merged)).To(Equal(bytes(whole)))
		g.Expect(bytes(read)).To(Equal(bytes(whole)))
		g.Expect(whole.Weight()).To(Equal(read.Weight()))
		whole.Reset()
		g.Expect(bytes(whole)).To(BeEmpty())
		g.Expect(whole.MergeBinary(bytes(read))).To(Succeed())
		g.Expect(bytes(whole)).To(Equal(bytes(read)))
	}
}

func TestTheNumberOfBucketsIsBounded(t *testing.T) {
	g := NewWithT(t)
	d := New()
	for e := -300; e <= 300; e++ {
		for m := range 30 {
			d.Add((1+float64(m)*0.3)*math.Pow(10, float64(e)), 1)
			d.Add(-(1+float64(m)*0.3)*math.Pow(10, float64(e)), 1)
		}
	}
	b := bytes(d)
	g.Expect(len(b)).To(BeNumerically("<", 2*maxBuckets*4))
	g.Expect(New().MergeBinary(b)).To(Succeed())
	g.Expect(d.Quantile(0.99)).To(BeNumerically(">", 1e280))
}

func TestDamagedBytesAreAnError(t *testing.T) {
	g := NewWithT(t)
	b := bytes(of(values(rand.New(rand.NewPCG(5, 6)), 50)))
	g.Expect(New().MergeBinary(b[:len(b)-1])).To(MatchError(ContainSubstring("damaged")))
	g.Expect(New().MergeBinary([]byte{0xff})).NotTo(Succeed())
	g.Expect(New().MergeBinary([]byte{0x05, 0xff, 0xff, 0xff, 0xff, 0x7f})).To(MatchError(ContainSubstring("buckets")))
}

func FuzzMergeBinary(f *testing.F) {
	random := rand.New(rand.NewPCG(7, 8))
	for n := range 20 {
		f.Add(bytes(of(values(random, n))))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := New()
		if d.MergeBinary(b) != nil {
			return
		}
		again := New()
		if err := again.MergeBinary(bytes(d)); err != nil {
			t.Fatalf("what it writes it does not read: %v", err)
		}
		if v := d.Quantile(0.5); d.Weight() > 0 && (math.IsNaN(v) || math.IsInf(v, 0)) {
			t.Fatalf("a quantile of %v", v)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	d := New()
	for i := range b.N {
		d.Add(float64(i%1000), 30_000)
	}
}

func BenchmarkMergeBinary(b *testing.B) {
	data := bytes(of(values(rand.New(rand.NewPCG(5, 6)), 120)))
	d := New()
	for b.Loop() {
		if err := d.MergeBinary(data); err != nil {
			b.Fatal(err)
		}
	}
}
