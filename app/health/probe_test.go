package health_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/health"
)

// probed starts a probe every second with a timeout of 3 s, and returns its
// part as it is now, and what waits for the probe's end.
func probed(t *testing.T, ask func(context.Context) health.Report) (now func() health.Part, end func()) {
	b := health.New(health.Options{})
	r := b.Part("redis", 10*time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = b.Probe(ctx, r, time.Second, 3*time.Second, ask)
	}()
	now = func() health.Part {
		synctest.Wait()
		p, _ := b.Lookup("redis")
		return p
	}
	return now, func() { cancel(); <-over }
}

func TestAProbeAsksOnceInAPeriodAndTellsSlowFromStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var takes, asked, atOnce, most atomic.Int64
		now, end := probed(t, func(context.Context) health.Report { // as one that knows no context
			asked.Add(1)
			most.Store(max(most.Load(), atOnce.Add(1)))
			defer atOnce.Add(-1)
			time.Sleep(time.Duration(takes.Load()))
			return health.Report{State: health.OK}
		})
		g.Expect(now().State).To(Equal(health.OK), "the first question comes at once")
		time.Sleep(10 * time.Second)
		g.Expect(now().State).To(Equal(health.OK))
		g.Expect(asked.Load()).To(BeNumerically("~", 11, 1))

		takes.Store(int64(2 * time.Second))
		time.Sleep(2500 * time.Millisecond) // asked within a second, and a second more
		g.Expect(now()).To(And(HaveField("State", health.Degraded), HaveField("Class", health.ClassSlow), HaveField("Message", ContainSubstring("has not answered for 1s"))))
		time.Sleep(2500 * time.Millisecond)
		g.Expect(now()).To(And(HaveField("State", health.Degraded), HaveField("Class", health.ClassSlow), HaveField("Message", "it answers, but took 2s")))

		takes.Store(int64(time.Hour))
		time.Sleep(6 * time.Second)
		g.Expect(now()).To(And(HaveField("State", health.Down), HaveField("Class", health.ClassTimeout), HaveField("Message", ContainSubstring("within 3s"))))
		before := asked.Load()
		time.Sleep(time.Minute)
		g.Expect(now().State).To(Equal(health.Down), "it goes on reporting")
		g.Expect(asked.Load()).To(Equal(before))
		takes.Store(0)
		time.Sleep(time.Hour)
		g.Expect(now().State).To(Equal(health.OK))
		g.Expect(most.Load()).To(BeEquivalentTo(1))
		end()
	})
}

func TestAProbeEndsWithItsContextEvenWhereThePartIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		stuck := make(chan struct{})
		_, end := probed(t, func(context.Context) health.Report {
			<-stuck
			return health.Report{State: health.OK}
		})
		time.Sleep(10 * time.Second)
		began := time.Now()
		end()
		g.Expect(time.Since(began)).To(BeNumerically("<=", time.Second))
		close(stuck)
	})
}

func TestAQuestionThatTheEndCutsOffIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		first := true
		now, end := probed(t, func(ctx context.Context) health.Report {
			if !first {
				<-ctx.Done()
				return health.Report{State: health.Down, Class: "CANCELLED"}
			}
			first = false
			return health.Report{State: health.OK}
		})
		time.Sleep(1500 * time.Millisecond)
		end()
		g.Expect(now().State).To(Equal(health.OK))
	})
}

func TestAProbeThatPanicsIsAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		now, end := probed(t, func(context.Context) health.Report { panic("a strange reply") })
		g.Expect(now()).To(And(HaveField("State", health.Down), HaveField("Class", health.ClassPanic), HaveField("Message", Not(ContainSubstring("a strange reply")))))
		end()
	})
}
