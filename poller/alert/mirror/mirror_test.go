package mirror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"go.uber.org/goleak"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/engine"
	"github.com/devops-insights/devops-insights/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ledgers are kept in memory.
type ledgers struct {
	mu    sync.Mutex
	all   map[string]store.Ledger
	err   error // of every reading
	hangs bool
	reads int
}

func (l *ledgers) Ledger(ctx context.Context, api string) (store.Ledger, error) {
	l.mu.Lock()
	hangs, err := l.hangs, l.err
	one, known := l.all[api]
	l.reads++
	l.mu.Unlock()
	switch {
	case hangs:
		<-ctx.Done()
		return store.Ledger{}, ctx.Err()
	case err != nil:
		return store.Ledger{}, err
	case !known:
		return store.Ledger{}, store.ErrNotFound
	}
	return one, nil
}

// read reads what write has written.
func read(l store.Ledger) (c engine.Content, err error) {
	err = json.Unmarshal(l.Data, &struct{ Alerts *[]alert.Alert }{&c.Alerts})
	return c, err
}

// write is a commit of the instance that decides.
func (l *ledgers) write(api string, alerts ...alert.Alert) {
	data, err := json.Marshal(map[string]any{"alerts": alerts})
	if err != nil {
		panic(err)
	}
	l.set(api, data)
}

func (l *ledgers) set(api string, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all[api] = store.Ledger{API: api, Term: 1, Version: l.all[api].Version + 1, Data: data}
}

func (l *ledgers) do(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// world is a mirror with what it reads and what it has told.
type world struct {
	*WithT
	*Mirror
	ledgers *ledgers
	log     *test.Hook

	mu   sync.Mutex
	apis []string
	told []string // API, alerts and their states
}

// during runs body beside a mirror, with a clock that stands still while anything
// else runs.
func during(t *testing.T, body func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		logger, hook := test.NewNullLogger()
		w := &world{WithT: NewWithT(t), ledgers: &ledgers{all: make(map[string]store.Ledger)}, apis: []string{"acme", "beta"}, log: hook}
		m, err := New(Options{
			Catalog: func() (c store.Catalog) {
				w.mu.Lock()
				defer w.mu.Unlock()
				for _, name := range w.apis {
					c = append(c, store.API{Name: name})
				}
				return c
			},
			Store: w.ledgers, Read: read, Logger: logger,
			OnChange: func(api string, changed []alert.Alert) {
				w.mu.Lock()
				defer w.mu.Unlock()
				for _, a := range changed {
					w.told = append(w.told, strings.TrimSpace(fmt.Sprint(api, " ", a.ID, " ", a.State, " ", marks(a))))
				}
			},
		})
		w.Expect(err).NotTo(HaveOccurred())
		w.Mirror = m
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- m.Run(ctx) }()
		synctest.Wait()
		body(w)
		cancel()
		w.Expect(<-over).To(Succeed())
	})
}

func marks(a alert.Alert) (text string) {
	if a.Ack != nil {
		text += " taken by " + a.Ack.By
	}
	if a.Suppressed != nil {
		text += " suppressed by " + a.Suppressed.By
	}
	return strings.TrimSpace(text)
}

// pass lets time pass, and returns what the mirror has told meanwhile.
func (w *world) pass(d time.Duration) []string {
	time.Sleep(d)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	told := w.told
	w.told = nil
	return told
}

// polls replaces the APIs of the settings.
func (w *world) polls(apis ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.apis = apis
}

func (w *world) shown(api string) (all []string) {
	for _, a := range w.Alerts(api) {
		all = append(all, a.ID)
	}
	return all
}

func (w *world) failingFor() time.Duration {
	if w.Failing().IsZero() {
		return 0
	}
	return time.Since(w.Failing())
}

// one is an alert; change alters it.
func one(id string, state alert.State, change ...func(*alert.Alert)) alert.Alert {
	a := alert.Alert{ID: id, Incident: id + "-1", State: state, Severity: alert.Warning, PendingAt: time.UnixMilli(1000).UTC()}
	for _, f := range change {
		f(&a)
	}
	return a
}

func by(who string) func(*alert.Alert) {
	return func(a *alert.Alert) { a.Ack = &alert.Ack{By: who, At: time.UnixMilli(5000).UTC()} }
}

func suppressed(by string, until *time.Time) func(*alert.Alert) {
	return func(a *alert.Alert) { a.Suppressed = &alert.Suppression{By: by, ID: "s", Until: until} }
}

func TestEveryInstanceShowsWithinASecondWhatTheOneThatDecidesHasWritten(t *testing.T) {
	during(t, func(w *world) {
		w.Expect(w.Alerts("acme")).To(BeEmpty())
		w.ledgers.write("acme", one("a", alert.Firing))
		w.Expect(w.pass(time.Second)).To(Equal([]string{"acme a firing"}))
		w.Expect(w.shown("acme")).To(Equal([]string{"a"}))
		w.Expect(w.Alerts("beta")).To(BeEmpty())
		w.Expect(w.Alerts("never")).To(BeEmpty())
	})
}

func TestEachChangeIsToldOnceAndInOrder(t *testing.T) {
	soon, later := time.UnixMilli(9000).UTC(), time.UnixMilli(9999).UTC()
	steps := []struct {
		name   string
		alerts []alert.Alert
		told   []string
	}{
		{"begins", []alert.Alert{one("a", alert.Pending)}, []string{"acme a pending"}},
		{"goes on", []alert.Alert{one("a", alert.Pending, func(a *alert.Alert) { a.Summary = "another value" })}, nil},
		{"fires, and another begins", []alert.Alert{one("b", alert.Pending), one("a", alert.Firing)}, []string{"acme a firing", "acme b pending"}},
		{"is acknowledged, the other ends", []alert.Alert{one("a", alert.Firing, by("kim"))}, []string{"acme b inactive", "acme a firing taken by kim"}},
		{"is taken over", []alert.Alert{one("a", alert.Firing, by("sam"))}, []string{"acme a firing taken by sam"}},
		{"is suppressed", []alert.Alert{one("a", alert.Firing, suppressed("silence", &soon))}, []string{"acme a firing suppressed by silence"}},
		{"stays so", []alert.Alert{one("a", alert.Firing, suppressed("silence", &soon))}, nil},
		{"stays so for longer", []alert.Alert{one("a", alert.Firing, suppressed("silence", &later))}, []string{"acme a firing suppressed by silence"}},
		{"stays so for ever", []alert.Alert{one("a", alert.Firing, suppressed("silence", nil))}, []string{"acme a firing suppressed by silence"}},
		{"is told again", []alert.Alert{one("a", alert.Firing)}, []string{"acme a firing"}},
		{"is more severe", []alert.Alert{one("a", alert.Firing, func(a *alert.Alert) { a.Severity = alert.Critical })}, []string{"acme a firing"}},
		{"is over", []alert.Alert{one("a", alert.Resolved)}, []string{"acme a resolved"}},
		{"fires anew", []alert.Alert{one("a", alert.Firing, func(a *alert.Alert) { a.Incident = "a-2" })}, []string{"acme a firing"}},
		{"leaves the list", nil, []string{"acme a inactive"}},
	}
	during(t, func(w *world) {
		for _, step := range steps {
			w.ledgers.write("acme", step.alerts...)
			w.Expect(w.pass(time.Second)).To(Equal(step.told), step.name)
			w.Expect(w.pass(time.Second)).To(BeEmpty(), "%s: again", step.name)
		}
	})
}

func TestTheMostUrgentAlertsComeFirst(t *testing.T) {
	at := func(severity alert.Severity, ms int64) func(*alert.Alert) {
		return func(a *alert.Alert) { a.Severity, a.PendingAt = severity, time.UnixMilli(ms) }
	}
	during(t, func(w *world) {
		w.ledgers.write("acme",
			one("h", alert.Resolved, at(alert.Critical, 9)), one("g", alert.Pending, at(alert.Critical, 9)), one("e", alert.Firing, at("strange", 9)),
			one("d", alert.Firing, at(alert.Info, 9)), one("c", alert.Firing, at(alert.Warning, 9)), one("b", alert.Firing, at(alert.Critical, 1)),
			one("a2", alert.Firing, at(alert.Critical, 2)), one("a1", alert.Firing, at(alert.Critical, 2)))
		w.pass(time.Second)
		w.Expect(w.shown("acme")).To(Equal([]string{"a1", "a2", "b", "c", "d", "e", "g", "h"}))
	})
}

func TestAKickHasTheLedgersReadAtOnce(t *testing.T) {
	during(t, func(w *world) {
		w.ledgers.write("acme", one("a", alert.Firing))
		w.Kick()
		w.Kick() // and waits for nobody
		w.Expect(w.pass(0)).To(Equal([]string{"acme a firing"}))
	})
}

func TestWhatWasKnownStaysWhileTheStoreIsAway(t *testing.T) {
	during(t, func(w *world) {
		w.ledgers.write("acme", one("a", alert.Firing))
		w.pass(time.Second)
		w.Expect(w.failingFor()).To(BeZero())

		w.ledgers.do(func() { w.ledgers.err = errors.New("no database") })
		w.Expect(w.pass(10 * time.Second)).To(BeEmpty())
		w.Expect(w.shown("acme")).To(Equal([]string{"a"}))
		w.Expect(w.failingFor()).To(Equal(9 * time.Second))
		w.Expect(w.log.AllEntries()).To(HaveLen(1), "of many failures one line")
		w.Expect(w.log.LastEntry().Level).To(Equal(logrus.WarnLevel))
		w.Expect(w.log.LastEntry().Data).To(HaveKeyWithValue(logrus.ErrorKey, MatchError("the alerts of the API acme: no database")))

		w.ledgers.do(func() { w.ledgers.err = nil })
		w.ledgers.write("acme", one("a", alert.Resolved))
		w.Expect(w.pass(time.Second)).To(Equal([]string{"acme a resolved"}))
		w.Expect(w.failingFor()).To(BeZero())
		w.Expect(w.log.AllEntries()).To(HaveLen(2))
		w.Expect(w.log.LastEntry().Level).To(Equal(logrus.InfoLevel))
	})
}

func TestAStoreThatHangsIsNotWaitedForBeyondTheTimeout(t *testing.T) {
	during(t, func(w *world) {
		w.ledgers.do(func() { w.ledgers.hangs = true })
		w.pass(30 * time.Second)
		w.Expect(w.failingFor()).To(BeNumerically(">", 15*time.Second))
		w.ledgers.do(func() { w.ledgers.hangs = false })
		w.pass(11 * time.Second)
		w.Expect(w.failingFor()).To(BeZero())
	})
}

func TestALedgerThatCannotBeReadKeepsTheOthersFromNothing(t *testing.T) {
	during(t, func(w *world) {
		w.ledgers.write("acme", one("a", alert.Firing))
		w.pass(time.Second)
		w.ledgers.set("acme", []byte(`{"alerts":5}`))
		w.ledgers.write("beta", one("b", alert.Firing))
		w.Expect(w.pass(time.Second)).To(Equal([]string{"beta b firing"}))
		w.Expect(w.shown("acme")).To(Equal([]string{"a"}), "what was known")
		w.Expect(w.Failing()).NotTo(BeZero())
	})
}

func TestAPIsComeAndGoWithTheSettings(t *testing.T) {
	during(t, func(w *world) {
		w.ledgers.write("acme", one("a", alert.Firing))
		w.ledgers.write("moon", one("m", alert.Firing))
		w.Expect(w.pass(time.Second)).To(Equal([]string{"acme a firing"}))
		w.polls("moon")
		w.Expect(w.pass(time.Second)).To(ConsistOf("moon m firing", "acme a inactive"))
		w.Expect(w.Alerts("acme")).To(BeEmpty())
		w.polls("moon", "acme")
		w.Expect(w.pass(time.Second)).To(Equal([]string{"acme a firing"}))
	})
}

func TestALedgerThatIsGoneOrAnotherOneCounts(t *testing.T) {
	during(t, func(w *world) {
		w.ledgers.write("acme", one("a", alert.Firing))
		w.ledgers.write("acme", one("a", alert.Firing))
		w.pass(time.Second)
		// Another database, of which the versions are lower.
		w.ledgers.do(func() { w.ledgers.all["acme"] = store.Ledger{API: "acme", Term: 2, Version: 1, Data: []byte(`{}`)} })
		w.Expect(w.pass(time.Second)).To(Equal([]string{"acme a inactive"}))
		w.ledgers.write("acme", one("a", alert.Firing))
		w.pass(time.Second)
		w.ledgers.do(func() { delete(w.ledgers.all, "acme") })
		w.Expect(w.pass(time.Second)).To(Equal([]string{"acme a inactive"}))
		w.Expect(w.Failing()).To(BeZero(), "that there is none is no failure")
	})
}

func TestAMirrorNeedsACatalogAndAStore(t *testing.T) {
	g := NewWithT(t)
	_, err := New(Options{Store: &ledgers{}})
	g.Expect(err).To(MatchError(ContainSubstring("catalog")))
	_, err = New(Options{Catalog: func() store.Catalog { return nil }})
	g.Expect(err).To(MatchError(ContainSubstring("store")))
}
