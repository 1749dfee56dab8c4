package rollup

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/digest"
)

func silent() *logrus.Logger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

func runnerOn(m Store, term int64, now *int64) *Runner {
	return NewRunner(Options{
		Store: m, API: "acme", Sources: []string{"eu-west"}, Logger: silent(),
		Term: func() (int64, bool) { return term, true }, Now: func() time.Time { return timeOf(*now) },
	})
}

var begin = time.Date(2026, 2, 27, 22, 13, 0, 0, time.UTC)

// played is a store to which a history is played.
type played interface {
	Store
	save(at time.Time, data string, now time.Time)
	record(all []store.Interval)
	// dieBeforeMark makes the next PutChunks end between the chunks and the mark,
	// where the store can do that.
	dieBeforeMark(bool)
}

// live plays a history to a store with the runners of two instances, of which one
// or the other has the lease, and one may die between the chunks and the mark.
func live(g *WithT, random *rand.Rand, h *model, m played) {
	now, term := h.from, int64(1)
	runner := runnerOn(m, term, &now)
	saved := make([]bool, len(h.rows))
	for now < h.to+(5*time.Hour).Milliseconds() {
		now += 1000 + random.Int64N(90*60_000)
		for i, r := range h.rows {
			if !saved[i] && r.at+r.late.Milliseconds() <= now {
				m.save(timeOf(r.at), r.data(), timeOf(now))
				saved[i] = true
			}
		}
		m.record(h.outcomes(now))
		switch random.IntN(6) {
		case 0: // another instance takes over
			old := runner
			term++
			runner = runnerOn(m, term, &now)
			runner.round(context.Background())
			old.round(context.Background())
		case 1: // the instance dies
			m.dieBeforeMark(true)
			runner.round(context.Background())
			m.dieBeforeMark(false)
			runner = runnerOn(m, term, &now)
		default:
			runner.round(context.Background())
		}
	}
	g.Expect(slices.Contains(saved, false)).To(BeFalse())
	for range 2 {
		runner.round(context.Background())
	}
}

// inOrder puts rows of one millisecond into the order in which they were saved.
func inOrder(g *WithT, h *model, r Reader) {
	byAt := map[int64][]modelRow{}
	for _, row := range h.rows {
		byAt[row.at] = append(byAt[row.at], row)
	}
	i := 0
	err := region{r, "acme", "eu-west"}.scan(context.Background(), h.from-1e9, h.to+1e9, func(m store.Metric) error {
		at := m.CreatedAt.UnixMilli()
		n := slices.IndexFunc(byAt[at], func(r modelRow) bool { return r.data() == string(m.Data) })
		h.rows[i] = byAt[at][n]
		byAt[at] = slices.Delete(slices.Clone(byAt[at]), n, n+1)
		i++
		return nil
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(h.rows).To(HaveLen(i))
}

func TestTiersAreWhatHappened(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			random := rand.New(rand.NewPCG(seed, 1))
			h := newModel(random, begin, 30*time.Hour)
			m := newMemory()
			live(g, random, h, m)
			inOrder(g, h, m)
			checkTiers(g, h, m, m.mark)
			checkSeries(g, random, h, m)
			checkRows(g, h, m)

			whole := newMemory() // all at once, by one instance
			whole.rows, whole.outcome = m.rows, m.outcome
			now := h.to + (6 * time.Hour).Milliseconds()
			runnerOn(whole, 1, &now).round(context.Background())
			g.Expect(whole.mark.To).To(Equal(m.mark.To))
			compareChunks(g, m.dump(), whole.dump())
		})
	}
}

func compareChunks(g *WithT, got, want []store.Chunk) {
	g.THelper()
	names := func(chunks, others []store.Chunk) (all []string) {
		for _, c := range chunks {
			if !slices.ContainsFunc(others, func(o store.Chunk) bool { return key(o) == key(c) && bytes.Equal(o.Data, c.Data) }) {
				all = append(all, fmt.Sprintf("%s %x", key(c), c.Data))
			}
		}
		return all
	}
	g.Expect(names(got, want)).To(Equal(names(want, got)), "other chunks")
}

// checkTiers compares every point of every tier up to the mark.
func checkTiers(g *WithT, h *model, r Reader, mark store.Mark) {
	g.THelper()
	g.Expect(mark.To.UnixMilli()).To(BeNumerically(">", h.to-(2*time.Hour).Milliseconds()))
	for _, tier := range store.Tiers() {
		end := floor(mark.To.UnixMilli(), tier.Step())
		for _, field := range []string{"a", "b.c", "status"} {
			at, step := floor(h.from, tier.Step()), tier.Step().Milliseconds()
			check := func(to int64) {
				for ; at < to; at += step {
					want := h.in(field, at, at+step)
					g.Expect(want.held).To(BeZero(), "no point of %s of %s at %s", field, tier, timeOf(at))
					g.Expect(want.rows).To(BeZero())
				}
			}
			n := 0
			err := region{r, "acme", "eu-west"}.points(context.Background(), field, tier, h.from, end, func(p *point) error {
				n++
				check(p.at)
				at = p.at + step
				expectStat(g, &p.Stat, h.in(field, p.at, p.at+step), fmt.Sprint(field, " ", tier, " ", timeOf(p.at)))
				return nil
			})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(n).To(BeNumerically(">", 0))
			check(end)
		}
	}
}

func expectStat(g *WithT, s *Stat, want truth, what string) {
	g.THelper()
	g.Expect(s.Held).To(Equal(want.held), what)
	g.Expect(s.Rows).To(Equal(want.rows), what)
	if want.held == 0 {
		return
	}
	if s.IsText {
		g.Expect(s.Text).To(Equal(want.texts[len(want.texts)-1]), what)
		return
	}
	g.Expect(near(s.Avg(), want.avg())).To(BeTrue(), "%s: %v is not %v", what, s.Avg(), want.avg())
	g.Expect(s.Min).To(Equal(want.min()), what)
	g.Expect(s.Max).To(Equal(want.max()), what)
	g.Expect(s.Last).To(Equal(want.last()), what)
	for _, q := range []float64{0.5, 0.95, 0.99} {
		g.Expect(s.Quantile(q)).To(BeNumerically("~", want.quantile(q), math.Abs(want.quantile(q))*digest.Accuracy*1.0001), "%s p%v", what, q*100)
	}
}

// checkSeries compares series of many steps with what happened.
func checkSeries(g *WithT, random *rand.Rand, h *model, r Reader) {
	g.THelper()
	now := h.to + time.Hour.Milliseconds()
	for _, step := range []time.Duration{7 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, time.Hour, 3 * time.Hour, 24 * time.Hour, 37 * time.Minute, 7*time.Hour + 7*time.Second, 13*time.Hour + 7*time.Minute} {
		for _, agg := range Aggs() {
			field := []string{"a", "b.c"}[random.IntN(2)]
			n := 5 + random.Int64N(60)
			from := h.from + random.Int64N(h.to-h.from)
			if random.IntN(2) == 0 {
				from = floor(from, step)
			}
			s, err := Read(context.Background(), r, SeriesQuery{
				API: "acme", Source: "eu-west", Field: field, From: timeOf(from), To: timeOf(from + n*step.Milliseconds()), Step: step, Agg: agg,
			}, timeOf(now))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(s.Points).To(HaveLen(int(n)))
			for i, p := range s.Points {
				at := from + int64(i)*step.Milliseconds()
				g.Expect(p.At).To(Equal(timeOf(at)))
				want := h.in(field, at, at+step.Milliseconds())
				expectPoint(g, p, agg, want, fmt.Sprint(agg, " ", field, " ", step, " ", p.At, " of ", s.Tier))
			}
		}
	}
}

func expectPoint(g *WithT, p Point, agg Agg, want truth, what string) {
	g.THelper()
	if agg == AggCount {
		g.Expect(p.OK).To(Equal(want.rows > 0 || want.held > 0), what)
		g.Expect(p.Value).To(Equal(want.rows), what)
		return
	}
	g.Expect(p.OK).To(Equal(want.held > 0), what)
	if !p.OK {
		return
	}
	switch agg {
	case AggAvg:
		g.Expect(near(p.Value, want.avg())).To(BeTrue(), "%s: %v is not %v", what, p.Value, want.avg())
	case AggMin:
		g.Expect(p.Value).To(Equal(want.min()), what)
	case AggMax:
		g.Expect(p.Value).To(Equal(want.max()), what)
	case AggLast:
		g.Expect(p.Value).To(Equal(want.last()), what)
	default:
		q, _ := agg.quantile()
		g.Expect(p.Value).To(BeNumerically("~", want.quantile(q), math.Abs(want.quantile(q))*digest.Accuracy*1.0001), what)
	}
}
