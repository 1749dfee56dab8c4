package app

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	logtest "github.com/sirupsen/logrus/hooks/test"
)

// faulty is a runner with a fault in its first runs.
type faulty struct{ runs, faults int }

func (f *faulty) Run(ctx context.Context) error {
	if f.runs++; f.runs <= f.faults {
		panic("oh no")
	}
	<-ctx.Done()
	return ctx.Err()
}

func TestAFaultOfTheTiersIsLoggedAndTheyAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		log, logs := logtest.NewNullLogger()
		a, runner := &App{log: log}, &faulty{faults: 2}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		began := time.Now()
		a.keepTiers(ctx, runner)
		g.Expect(time.Since(began)).To(Equal(10 * time.Minute))
		g.Expect(runner.runs).To(Equal(3))
		g.Expect(logs.AllEntries()).To(HaveLen(2))
		g.Expect(a.panics.Load()).To(BeEquivalentTo(2))
	})
}
