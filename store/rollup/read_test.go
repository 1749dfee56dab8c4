package rollup

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

func query(field string, from, to time.Time, step time.Duration, agg Agg) SeriesQuery {
	return SeriesQuery{API: "acme", Source: "eu-west", Field: field, From: from, To: to, Step: step, Agg: agg}
}

func TestWhatIsWrongAboutAQueryIsSaid(t *testing.T) {
	g := NewWithT(t)
	m := newMemory()
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	to := from.Add(time.Hour)
	now := everyHalfMinute(m, from, 2880).Add(time.Hour).UnixMilli()
	runnerOn(m, 1, &now).round(context.Background())
	refused := func(q SeriesQuery, param, reason string) {
		t.Helper()
		_, err := Read(context.Background(), m, q, timeOf(now))
		var wrong *QueryError
		g.Expect(errors.As(err, &wrong)).To(BeTrue(), "%v", err)
		g.Expect(wrong.Param).To(Equal(param))
		g.Expect(wrong.Error()).To(ContainSubstring(reason))
	}
	const cpu = "results.stats.server.cpu_load"
	refused(query("", from, to, time.Minute, AggAvg), "field", "missing")
	refused(query("nothing", from, to, time.Minute, AggAvg), "field", "there are status, results.stats.server.cpu_load")
	refused(query("status", from, to, time.Minute, AggMax), "field", "is a text")
	refused(query(cpu, from, to, time.Minute, "p75"), "agg", "avg min max last p50 p95 p99 count")
	refused(query(cpu, to, from, time.Minute, AggAvg), "to", "is not after from")
	refused(query(cpu, from, from, time.Minute, AggAvg), "to", "is not after from")
	refused(query(cpu, from, to, 0, AggAvg), "step", "positive")
	refused(query(cpu, from, to, -time.Second, AggAvg), "step", "positive")
	refused(query(cpu, from, to, 1500*time.Microsecond, AggAvg), "step", "milliseconds")
	refused(query(cpu, from, from.Add(11_001*time.Second), time.Second, AggAvg), "step", "11001 points of this range; 11000 are allowed")
	refused(query(cpu, from, from.AddDate(9000, 0, 0), time.Second, AggAvg), "to", "year")
	refused(query(cpu, from, from.AddDate(7000, 0, 0), time.Second, AggAvg), "step", "11000 are allowed")
	s, err := Read(context.Background(), m, query(cpu, from, from.Add(11_000*time.Second), time.Second, AggAvg), timeOf(now))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Points).To(HaveLen(MaxPoints))
	s, err = Read(context.Background(), m, query("status", from, to, 10*time.Minute, AggCount), timeOf(now))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Points[5].Value).To(Equal(20.0))
	s, err = Read(context.Background(), newMemory(), query(cpu, from, to, 10*time.Minute, AggAvg), timeOf(now))
	g.Expect(err).NotTo(HaveOccurred(), "nothing is known of the fields yet")
	g.Expect(s.Points).To(HaveLen(6))
	g.Expect(s.Points).To(HaveEach(HaveField("OK", false)))
}

func TestTheTierIsChosenByTheStepAndByWhatIsStillThere(t *testing.T) {
	g := NewWithT(t)
	m := newMemory()
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	now := everyHalfMinute(m, from, 5*2880).Add(time.Hour).UnixMilli()
	runnerOn(m, 1, &now).round(context.Background())
	tier := func(from time.Time, step time.Duration) string {
		s, err := Read(context.Background(), m, query("results.memory.used_3", from, from.Add(30*step), step, AggAvg), timeOf(now))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(s.Points[0].OK).To(BeTrue())
		return s.Tier
	}
	g.Expect(tier(from, 30*time.Second)).To(Equal("raw"))
	g.Expect(tier(from, time.Minute)).To(Equal("1m"))
	g.Expect(tier(from, 90*time.Second)).To(Equal("1m"))
	g.Expect(tier(from, 45*time.Minute)).To(Equal("1m"))
	g.Expect(tier(from, time.Hour)).To(Equal("1h"))
	g.Expect(tier(from.Add(time.Minute+3*time.Millisecond), time.Hour)).To(Equal("1h"))
	g.Expect(tier(from.Add(time.Minute+3*time.Millisecond), time.Minute)).To(Equal("1m"))
	g.Expect(tier(from, 5*time.Hour+7*time.Second)).To(Equal("1h"))
	g.Expect(tier(from, 12*time.Hour)).To(Equal("1h"))
	g.Expect(tier(from, 24*time.Hour)).To(Equal("1d"))
	g.Expect(tier(from, 10*24*time.Hour)).To(Equal("1d"))

	for k, c := range m.chunks {
		if c.Tier == store.TierMinute && c.Start.Before(from.Add(49*time.Hour)) || c.Tier == store.TierHour && c.Start.Before(from.Add(24*time.Hour)) {
			delete(m.chunks, k)
		}
	}
	m.rows = m.rows[4*2880:]
	g.Expect(tier(from.Add(30*time.Hour), 10*time.Minute)).To(Equal("1h"), "the finest that has the range")
	g.Expect(tier(from, time.Minute)).To(Equal("1d"))
	g.Expect(tier(from.Add(50*time.Hour), 10*time.Minute)).To(Equal("1m"))
	g.Expect(tier(from.Add(50*time.Hour), 10*time.Second)).To(Equal("1m"), "the rows are gone")
	g.Expect(tier(from.Add(97*time.Hour), 10*time.Second)).To(Equal("raw"))
	m.mark = store.Mark{API: "acme", Source: "eu-west"}
	g.Expect(tier(from.Add(97*time.Hour), 10*time.Minute)).To(Equal("raw"), "nothing is rolled up")
}

// withLatest is a store that knows the latest value.
type withLatest struct{ *memory }

func (m withLatest) Latest(context.Context, string, string) (store.Metric, error) {
	return store.Metric{Data: []byte(`{"status":"ok","a":7}`), UpdatedAt: begin}, nil
}

func TestAValueThatHoldsForLongerThanRowsAreKept(t *testing.T) {
	for name, wrap := range map[string]func(*memory) Store{
		"by the latest value": func(m *memory) Store { return withLatest{m} },
		"by the tiers":        func(m *memory) Store { return m },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			m := newMemory()
			s := wrap(m)
			m.save(begin, `{"status":"ok","a":7}`, begin)
			m.outcome = []store.Interval{{From: begin, To: begin.Add(240 * time.Hour), State: store.StateUp, Polls: 9}}
			now := begin.Add(time.Hour).UnixMilli()
			runnerOn(s, 1, &now).round(context.Background())
			m.rows = nil // their time is over
			now = begin.Add(100 * time.Hour).UnixMilli()
			runnerOn(s, 2, &now).round(context.Background())
			m.save(begin.Add(100*time.Hour), `{"status":"ok","a":9}`, timeOf(now))
			now = begin.Add(200 * time.Hour).UnixMilli()
			answer, err := Read(context.Background(), s, query("a", begin, begin.Add(200*time.Hour), time.Hour, AggAvg), timeOf(now))
			g.Expect(err).NotTo(HaveOccurred())
			for i, p := range answer.Points {
				g.Expect(p.OK).To(BeTrue())
				want := 7.0
				if i >= 100 {
					want = 9
				}
				g.Expect(p.Value).To(Equal(want), p.At.String())
			}
		})
	}
}

func TestADamagedChunkIsAnErrorOfASeries(t *testing.T) {
	g := NewWithT(t)
	m := newMemory()
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	now := everyHalfMinute(m, from, 2880).Add(time.Hour).UnixMilli()
	runnerOn(m, 1, &now).round(context.Background())
	for k, c := range m.chunks {
		c.Data = []byte{codecVersion, 1, 2, 3}
		m.chunks[k] = c
	}
	_, err := Read(context.Background(), m, query("results.memory.used_3", from, from.Add(time.Hour), time.Minute, AggAvg), timeOf(now))
	g.Expect(err).To(MatchError(errDamaged))
	g.Expect(err).NotTo(BeAssignableToTypeOf(&QueryError{}))
}
