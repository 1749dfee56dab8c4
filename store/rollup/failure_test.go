package rollup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/devops-insights/devops-insights/store"
)

// failing is a store that fails on request. Its lock is for specs in which a
// Runner runs.
type failing struct {
	sync.Mutex
	*memory
	put func(term int64) error
}

func (f *failing) PutChunks(ctx context.Context, term int64, m store.Mark, chunks []store.Chunk) error {
	f.Lock()
	defer f.Unlock()
	if f.put != nil {
		if err := f.put(term); err != nil {
			return err
		}
	}
	return f.memory.PutChunks(ctx, term, m, chunks)
}

func (f *failing) Scan(ctx context.Context, q store.Query, each func(store.Metric) error) error {
	f.Lock()
	defer f.Unlock()
	return f.memory.Scan(ctx, q, each)
}

func (f *failing) Mark(ctx context.Context, api, source string) (store.Mark, error) {
	f.Lock()
	defer f.Unlock()
	return f.memory.Mark(ctx, api, source)
}

// markTo returns how far the region is rolled up.
func (f *failing) markTo() time.Time {
	mark, _ := f.Mark(context.Background(), "acme", "eu-west")
	return mark.To
}

// during changes the store while nobody else uses it.
func (f *failing) during(change func()) {
	f.Lock()
	defer f.Unlock()
	change()
}

func lines(hook *test.Hook) (all []string) {
	for _, e := range hook.AllEntries() {
		all = append(all, e.Message)
	}
	return all
}

func TestRunKeepsTheTiersUpToDateAndLogsTransitionsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		log, hook := test.NewNullLogger()
		f := &failing{memory: newMemory()}
		from := time.Now().Truncate(time.Minute)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		r := NewRunner(Options{Store: f, API: "acme", Sources: []string{"eu-west"}, Logger: log})
		go func() { ended <- r.Run(ctx) }()
		feed := func(minutes int) {
			for range minutes {
				f.during(func() { f.save(time.Now(), sampleValue(int(time.Since(from)/time.Second)), time.Now()) })
				time.Sleep(time.Minute)
				synctest.Wait()
			}
		}
		feed(5)
		g.Expect(f.markTo()).To(BeTemporally(">=", from.Add(3*time.Minute)))
		broken := errors.New("the disk is on fire")
		f.during(func() { f.put = func(int64) error { return broken } })
		feed(5)
		g.Expect(f.markTo()).To(BeTemporally("<", from.Add(6*time.Minute)))
		f.during(func() { f.put = nil })
		feed(2)
		g.Expect(f.markTo()).To(BeTemporally(">=", from.Add(10*time.Minute)))
		g.Expect(lines(hook)).To(HaveLen(2))
		g.Expect(lines(hook)[0]).To(ContainSubstring("cannot be kept up to date"))
		g.Expect(fmt.Sprint(hook.AllEntries()[0].Data)).To(ContainSubstring("on fire"))
		g.Expect(lines(hook)[1]).To(ContainSubstring("up to date again"))
		cancel()
		g.Expect(<-ended).To(MatchError(context.Canceled))
	})
}

func TestARunnerWhoseTermIsOverWritesNothingUntilTheNext(t *testing.T) {
	g := NewWithT(t)
	term, holds, puts := int64(1), true, 0
	f := &failing{memory: newMemory()}
	f.put = func(int64) error { puts++; return nil }
	now := everyHalfMinute(f.memory, begin, 100).UnixMilli()
	r := NewRunner(Options{Store: f, API: "acme", Sources: []string{"eu-west"}, Logger: silent(),
		Term: func() (int64, bool) { return term, holds }, Now: func() time.Time { return timeOf(now) }})
	round := func() int {
		before := puts
		now += time.Minute.Milliseconds()
		r.round(context.Background())
		return puts - before
	}
	g.Expect(round()).To(BeNumerically(">", 0))
	holds = false
	g.Expect(round()).To(BeZero())
	holds, f.term = true, 5 // another one was there
	g.Expect(round()).To(Equal(1))
	g.Expect(round()).To(BeZero(), "it knows that its term is over")
	term = 6
	g.Expect(round()).To(BeNumerically(">", 0))
	g.Expect(f.memory.term).To(BeEquivalentTo(6))
}

func TestALateRowWhileAPieceIsRolledUpBeginsItAgain(t *testing.T) {
	g := NewWithT(t)
	f := &failing{memory: newMemory()}
	now := everyHalfMinute(f.memory, begin, 100).Add(time.Hour).UnixMilli()
	late := 0
	f.put = func(int64) error {
		if late < 3 {
			late++
			f.save(begin.Add(time.Duration(late)*7*time.Minute+time.Second), `{"late":1}`, timeOf(now))
		}
		return nil
	}
	runnerOn(f, 1, &now).round(context.Background())
	g.Expect(late).To(Equal(3))
	s, err := Read(context.Background(), f, query("late", begin, begin.Add(time.Hour), time.Hour, AggCount), timeOf(now))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Points[0].Value).To(Equal(3.0))
	late = -1000 // without an end
	f.save(begin, `{"late":1}`, timeOf(now))
	r := runnerOn(f, 1, &now)
	_, err = r.regions[0].catchUp(context.Background(), 1)
	g.Expect(err).To(And(MatchError(store.ErrConflict), MatchError(ContainSubstring("late rows"))))
}

func TestWhatIsRolledUpStaysWhenItsRowsAreGone(t *testing.T) {
	g := NewWithT(t)
	m := newMemory()
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	end := everyHalfMinute(m, from, 2880+500)
	now := end.Add(time.Hour).UnixMilli()
	runnerOn(m, 1, &now).round(context.Background())
	before := m.dump()
	m.rows = m.rows[2880:] // a day is gone
	m.save(from.Add(7*time.Hour+time.Second), `{"status":"down","results":{"memory":{"used_3":1e9}}}`, timeOf(now))
	m.save(from.Add(90*time.Minute), `{"status":"down","results":{"memory":{"used_3":1e9}}}`, timeOf(now))
	runnerOn(m, 1, &now).round(context.Background())
	g.Expect(m.mark.To).To(BeTemporally(">", end))
	compareChunks(g, m.dump(), before)
}

func TestADamagedTierIsMadeAgainFromTheRows(t *testing.T) {
	g := NewWithT(t)
	m := newMemory()
	now := everyHalfMinute(m, begin, 2880).Add(time.Hour).UnixMilli()
	runnerOn(m, 1, &now).round(context.Background())
	want := m.dump()
	known := false // that a chunk is damaged
	for k, c := range m.chunks {
		if c.Data = c.Data[:len(c.Data)-1]; known {
			c.Data, c.Damaged = nil, true
		}
		m.chunks[k], known = c, !known
	}
	m.mark.To = begin
	log, hook := test.NewNullLogger()
	r := runnerOn(m, 1, &now)
	r.opts.Logger = log
	r.round(context.Background())
	compareChunks(g, m.dump(), want)
	g.Expect(strings.Join(lines(hook), "\n")).To(ContainSubstring("damaged"))

	for k, c := range m.chunks { // of a program to come
		c.Data[0] = 9
		m.chunks[k] = c
	}
	newer := m.dump()
	m.mark.To = begin
	r.round(context.Background())
	compareChunks(g, m.dump(), newer)
}

func TestMoreFieldsThanAreKeptAreToldOnce(t *testing.T) {
	g := NewWithT(t)
	m := newMemory()
	now := everyHalfMinute(m, begin, 100).UnixMilli()
	log, hook := test.NewNullLogger()
	r := NewRunner(Options{Store: m, API: "acme", Sources: []string{"eu-west"}, Logger: log, Fields: FieldOptions{Max: 4},
		Now: func() time.Time { return timeOf(now) }})
	for range 3 {
		now += time.Minute.Milliseconds()
		r.round(context.Background())
	}
	g.Expect(m.mark.Fields).To(HaveLen(4))
	g.Expect(lines(hook)).To(HaveLen(1))
	g.Expect(lines(hook)[0]).To(ContainSubstring("ROLLUP_MAX_FIELDS"))
}

func TestNothingIsRolledUpBehindTheLastPoll(t *testing.T) {
	g := NewWithT(t)
	m := newMemory()
	m.save(begin, `{"a":1}`, begin)
	up := store.Interval{From: begin, To: begin.Add(10*time.Minute + time.Second), State: store.StateUp, Polls: 20}
	m.outcome = []store.Interval{up}
	now := begin.Add(3 * time.Hour).UnixMilli()
	r := runnerOn(m, 1, &now)
	r.round(context.Background())
	g.Expect(m.mark.To).To(Equal(begin.Add(10 * time.Minute)))
	up.To = begin.Add(2 * time.Hour) // the database was away, and is told now
	m.outcome = []store.Interval{up}
	r.round(context.Background())
	g.Expect(m.mark.To).To(Equal(begin.Add(2 * time.Hour)))
	s, err := Read(context.Background(), m, query("a", begin, begin.Add(2*time.Hour), time.Hour, AggAvg), timeOf(now))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Points).To(HaveEach(HaveField("OK", true)))
}

func TestALongRunTellsItsProgressAndLetsTheOthersHaveTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		log, hook := test.NewNullLogger()
		f := &failing{memory: newMemory()}
		end := everyHalfMinute(f.memory, begin, 4*2880) // 16 pieces or 17
		f.put = func(int64) error { time.Sleep(3 * time.Second); return nil }
		r := NewRunner(Options{Store: f, API: "acme", Sources: []string{"eu-west", "us-east"}, Logger: log,
			Now: func() time.Time { return end.Add(2 * time.Minute) }})
		r.round(context.Background())
		g.Expect(f.mark.To).To(BeTemporally(">=", end))
		g.Expect(lines(hook)).To(Equal([]string{
			"the history is being rolled up", "the history is being rolled up", "the history is being rolled up",
			"the history is being rolled up", "the history is rolled up",
		}))
		percent := -1
		for _, e := range hook.AllEntries()[:4] {
			g.Expect(e.Data["region"]).To(Equal("eu-west"))
			g.Expect(e.Data["percent"]).To(BeNumerically(">", percent))
			percent = int(e.Data["percent"].(int64))
		}
		r.round(context.Background())
		g.Expect(hook.AllEntries()).To(HaveLen(5))
	})
}

func TestARowOfAClockThatWasYearsBehindCostsLittle(t *testing.T) {
	for name, polled := range map[string]bool{"with outcomes": true, "without outcomes": false} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			m := newMemory()
			end := everyHalfMinute(m, begin, 2880)
			if polled {
				m.outcome = []store.Interval{{From: begin, To: end.Add(time.Hour), State: store.StateUp, Polls: 9}}
			}
			now := end.Add(time.Hour).UnixMilli()
			runnerOn(m, 1, &now).round(context.Background())
			before := m.dump()
			first := time.UnixMilli(0).UTC().Add(17*time.Hour + time.Second)
			m.save(first, `{"status":"ok","results":{"memory":{"used_3":5}}}`, timeOf(now))
			m.puts = 0
			runnerOn(m, 1, &now).round(context.Background())
			g.Expect(m.mark.To).To(BeTemporally(">=", end))
			g.Expect(m.puts).To(BeNumerically("<", 60))
			var after []store.Chunk
			for _, c := range m.dump() {
				if c.Start.Year() > 1970 {
					after = append(after, c)
				}
			}
			compareChunks(g, after, before)
			s, err := Read(context.Background(), m, query("results.memory.used_3", first.Truncate(24*time.Hour), begin, 24*time.Hour*10, AggMax), timeOf(now))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(s.Points[0]).To(Equal(Point{At: first.Truncate(24 * time.Hour), Value: 5, OK: true}))
			g.Expect(s.Points[1].OK).To(BeFalse())
		})
	}
}
