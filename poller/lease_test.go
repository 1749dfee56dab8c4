package poller

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
)

// register is where the instances of a spec find their lease; it can fail.
type register struct {
	mu     sync.Mutex
	holder string
	until  time.Time
	broken bool
}

// desk is one instance's way to the register.
type desk struct {
	*register
	name string
}

const leaseTime = 30 * time.Second

var errBroken = errors.New("the register does not answer")

func (d desk) Acquire(context.Context) (time.Duration, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.broken:
		return 0, errBroken
	case d.holder != d.name && time.Now().Before(d.until):
		return 0, ErrHeld
	}
	d.holder, d.until = d.name, time.Now().Add(leaseTime)
	return leaseTime, nil
}

func (d desk) Release(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken {
		return errBroken
	}
	if d.holder == d.name {
		d.holder, d.until = "", time.Time{}
	}
	return nil
}

// bench is where at most one may work.
type bench struct {
	t       *testing.T
	working atomic.Int32
	shifts  atomic.Int32
}

func (b *bench) work(ctx context.Context) error {
	if b.working.Add(1) > 1 {
		b.t.Error("two work at once")
	}
	b.shifts.Add(1)
	<-ctx.Done()
	b.working.Add(-1)
	return nil
}

// inBubble runs a story with its own time and two instances, a and b, whose
// shutdown the story decides.
func inBubble(t *testing.T, story func(t *testing.T, g *WithT, r *register, b *bench, lead func(name string) (stop func()))) {
	synctest.Test(t, func(t *testing.T) {
		quiet := logrus.New()
		quiet.SetOutput(io.Discard)
		r, b := &register{}, &bench{t: t}
		var stops []func()
		lead := func(name string) func() {
			ctx, cancel := context.WithCancel(t.Context())
			over := make(chan struct{})
			go func() {
				defer close(over)
				if err := Lead(ctx, desk{r, name}, 2*time.Second, quiet, b.work); err != nil {
					t.Error(err)
				}
			}()
			stop := func() { cancel(); <-over }
			stops = append(stops, stop)
			return stop
		}
		story(t, NewWithT(t), r, b, lead)
		for _, stop := range stops {
			stop()
		}
	})
}

func (r *register) held() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.holder
}

func (r *register) fail(broken bool) {
	r.mu.Lock()
	r.broken = broken
	r.mu.Unlock()
}

func TestLeaseIsKeptByOneAndHandedOverAtOnce(t *testing.T) {
	inBubble(t, func(_ *testing.T, g *WithT, r *register, b *bench, lead func(string) func()) {
		stop := lead("a")
		synctest.Wait()
		lead("b")
		time.Sleep(5 * time.Minute)
		g.Expect(r.held()).To(Equal("a"))
		g.Expect(b.shifts.Load()).To(BeEquivalentTo(1))
		stop()
		time.Sleep(2 * time.Second) // as often as b asks
		g.Expect(r.held()).To(Equal("b"))
		g.Expect(b.working.Load()).To(BeEquivalentTo(1))
	})
}

func TestLeaseThatCannotBeRenewedStopsTheWorkBeforeItEnds(t *testing.T) {
	inBubble(t, func(_ *testing.T, g *WithT, r *register, b *bench, lead func(string) func()) {
		lead("a")
		time.Sleep(time.Minute)
		r.fail(true)
		time.Sleep(leaseTime)
		g.Expect(b.working.Load()).To(BeZero())
		r.fail(false)
		time.Sleep(leaseTime)
		g.Expect(b.working.Load()).To(BeEquivalentTo(1))
	})
}

func TestLeaseOfACrashedInstanceIsTakenWithinItsTime(t *testing.T) {
	inBubble(t, func(_ *testing.T, g *WithT, r *register, b *bench, lead func(string) func()) {
		_, err := desk{r, "crashed"}.Acquire(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		lead("a")
		time.Sleep(leaseTime - time.Second)
		g.Expect(b.working.Load()).To(BeZero())
		time.Sleep(3 * time.Second)
		g.Expect(b.working.Load()).To(BeEquivalentTo(1))
	})
}

func TestLeaseThatAnotherTookEndsTheWork(t *testing.T) {
	inBubble(t, func(_ *testing.T, g *WithT, r *register, b *bench, lead func(string) func()) {
		lead("a")
		time.Sleep(time.Second)
		r.mu.Lock()
		r.holder, r.until = "thief", time.Now().Add(time.Hour)
		r.mu.Unlock()
		time.Sleep(leaseTime / 2)
		g.Expect(b.working.Load()).To(BeZero())
	})
}
