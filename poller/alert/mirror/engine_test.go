package mirror

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/engine"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
)

// PutLedger, PutRecord and DeleteRecords make the ledgers the store of an engine.
func (l *ledgers) PutLedger(_ context.Context, one store.Ledger) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one.Version != l.all[one.API].Version+1 {
		return store.ErrConflict
	}
	l.all[one.API] = one
	return nil
}

func (l *ledgers) PutRecord(context.Context, store.Record) error { return nil }

func (l *ledgers) DeleteRecords(context.Context, store.RecordKind, time.Time, int) (int, error) {
	return 0, nil
}

func TestWhatTheEngineDecidesIsShownByOtherInstancesWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		kept := &ledgers{all: make(map[string]store.Ledger)}
		var told []alert.State // of the other instance
		here := start(t, kept, nil)
		there := start(t, kept, func(_ string, changed []alert.Alert) {
			for _, a := range changed {
				told = append(told, a.State)
			}
		})

		down, err := rule.Compile(rule.Defaults(2)[0])
		g.Expect(err).NotTo(HaveOccurred())
		decides, err := engine.New(engine.Options{
			API: "acme", Store: kept, Rules: []*rule.Compiled{down}, Receivers: []engine.Receiver{{Name: "ops"}},
			Regions: []engine.Region{{Name: "eu-west", Interval: 10 * time.Second}}, OnChange: here.Kick,
		})
		g.Expect(err).NotTo(HaveOccurred())
		poll := func(state store.State) {
			r := poller.Result{API: "acme", Source: "eu-west", Began: time.Now(), Ended: time.Now()}
			if state == store.StateUp {
				r.Data = []byte(`{"status":"ok"}`)
			}
			decides.Record(r, state, "")
			time.Sleep(10 * time.Second)
		}
		g.Expect(decides.During(t.Context(), 1, func(context.Context) error {
			poll(store.StateUp)
			g.Expect(there.Alerts("acme")).To(BeEmpty())
			poll(store.StateDown)
			poll(store.StateDown)
			shown := there.Alerts("acme")
			g.Expect(shown).To(HaveLen(1))
			g.Expect([]any{shown[0].Rule, shown[0].Region, shown[0].State}).To(Equal([]any{rule.RegionDown, "eu-west", alert.Firing}))
			g.Expect(here.Alerts("acme")).To(Equal(shown))
			g.Expect(there.Content("acme").Queues).To(HaveExactElements(HaveField("Receiver", "ops")), "and what waits for a receiver")
			poll(store.StateUp)
			return nil
		})).To(Succeed())
		g.Expect(told).To(Equal([]alert.State{alert.Pending, alert.Firing, alert.Resolved}))
	})
}

// start runs a mirror of the API acme, with the engine's own ledgers.
func start(t *testing.T, kept *ledgers, onChange func(string, []alert.Alert)) *Mirror {
	t.Helper()
	g := NewWithT(t)
	m, err := New(Options{Catalog: func() store.Catalog { return store.Catalog{{Name: "acme"}} }, Store: kept, OnChange: onChange})
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		g.Expect(<-over).To(Succeed())
	})
	return m
}
