package lease

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
)

// register is where the instances of a spec find their lease; it can fail.
type register struct {
	mu     sync.Mutex
	holder string
	until  time.Time
	broken bool // questions fail at once
	hangs  bool // questions are not answered
	asked  int
}

// desk is one instance's way to the register.
type desk struct {
	*register
	name string
}

const leaseTime = 30 * time.Second

var errBroken = errors.New("the register does not answer")

func (d desk) Acquire(ctx context.Context) (time.Duration, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	if d.hangs {
		d.mu.Unlock()
		<-ctx.Done()
		d.mu.Lock()
		return 0, ctx.Err()
	}
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

// leader is one whose clocks are those of its bubble.
func leader(l Lease) *Leader {
	made := NewLeader(LeaderOptions{Lease: l, Wait: 2 * time.Second})
	start := time.Now()
	made.stamp = func() stamp { return stamp{boot: time.Since(start), wall: time.Now()} }
	return made
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
		r, b := &register{}, &bench{t: t}
		var stops []func()
		lead := func(name string) func() {
			ctx, cancel := context.WithCancel(t.Context())
			over := make(chan struct{})
			go func() {
				defer close(over)
				if err := leader(desk{r, name}).RunWhileLeader(ctx, b.work); err != nil {
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

func (r *register) who() string {
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
		g.Expect(r.who()).To(Equal("a"))
		g.Expect(b.shifts.Load()).To(BeEquivalentTo(1))
		stop()
		time.Sleep(2 * time.Second) // as often as b asks
		g.Expect(r.who()).To(Equal("b"))
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

func TestLeaseThatOnceCannotBeRenewedIsAskedForAgainWithinItsTerm(t *testing.T) {
	inBubble(t, func(_ *testing.T, g *WithT, r *register, b *bench, lead func(string) func()) {
		lead("a")
		synctest.Wait()
		time.Sleep(leaseTime/3 - time.Second)
		r.fail(true)
		time.Sleep(2 * time.Second) // the first renewal fails at once
		r.fail(false)
		time.Sleep(leaseTime)
		g.Expect(b.working.Load()).To(BeEquivalentTo(1))
		g.Expect(b.shifts.Load()).To(BeEquivalentTo(1), "the work was never interrupted")
	})
}

func TestLeaseThatCannotBeRenewedIsNotAskedForWithoutPause(t *testing.T) {
	inBubble(t, func(_ *testing.T, g *WithT, r *register, b *bench, lead func(string) func()) {
		lead("a")
		synctest.Wait()
		r.fail(true)
		time.Sleep(leaseTime)
		g.Expect(b.working.Load()).To(BeZero())
		r.mu.Lock()
		defer r.mu.Unlock()
		g.Expect(r.asked).To(And(BeNumerically(">", 5), BeNumerically("<", 20)))
	})
}

func TestLeaseWhoseRenewalIsNotAnsweredEndsTheWorkBeforeTheTermDoes(t *testing.T) {
	inBubble(t, func(_ *testing.T, g *WithT, r *register, b *bench, lead func(string) func()) {
		lead("a")
		synctest.Wait()
		r.mu.Lock()
		r.hangs = true
		r.mu.Unlock()
		time.Sleep(leaseTime*5/6 - time.Millisecond)
		g.Expect(b.working.Load()).To(BeEquivalentTo(1))
		time.Sleep(2 * time.Millisecond)
		g.Expect(b.working.Load()).To(BeZero())
	})
}

// slowDesk answers late, and the lease counts from the answer.
type slowDesk struct {
	desk
	takes time.Duration
}

func (s slowDesk) Acquire(ctx context.Context) (time.Duration, error) {
	time.Sleep(s.takes)
	return s.desk.Acquire(ctx)
}

func TestLeaseCountsFromBeforeTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		r := &register{}
		began, lasted := time.Now(), time.Duration(0)
		_ = leader(slowDesk{desk{r, "a"}, 4 * time.Second}).RunWhileLeader(ctx, func(working context.Context) error {
			r.fail(true)
			<-working.Done()
			lasted = time.Since(began)
			cancel()
			return nil
		})
		g.Expect(lasted).To(Equal(leaseTime * 5 / 6))
	})
}

// held is a Leader in the middle of a term, with clocks that the test sets.
func held() (l *Leader, boot *time.Duration, wall *time.Time) {
	boot, wall = new(time.Duration), new(time.Time)
	l = NewLeader(LeaderOptions{})
	l.stamp = func() stamp { return stamp{boot: *boot, wall: *wall} }
	l.hold(l.stamp(), leaseTime)
	return l, boot, wall
}

func TestLeaseIsNotValidAfterItsTermByAnyClock(t *testing.T) {
	g := NewWithT(t)
	l, boot, _ := held()
	g.Expect(l.Valid()).To(BeTrue())
	*boot = leaseTime // the process was stopped, or the machine slept
	g.Expect(l.Valid()).To(BeFalse())
	l, _, wall := held()
	*wall = wall.Add(leaseTime) // the machine was paused from outside, or the clock was set
	g.Expect(l.Valid()).To(BeFalse())
	g.Expect(l.doubt).To(Receive(), "a renewal will tell")
	l, _, wall = held()
	*wall = wall.Add(-time.Hour)
	g.Expect(l.Valid()).To(BeTrue(), "a clock that is set back ends nothing")
}

func TestLeaseIsValidWhileTheWorkRunsAndNeverElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		ctx, cancel := context.WithCancel(t.Context())
		l := leader(desk{&register{}, "a"})
		g.Expect(l.Valid()).To(BeFalse())
		over := make(chan struct{})
		go func() {
			defer close(over)
			_ = l.RunWhileLeader(ctx, func(working context.Context) error { <-working.Done(); return nil })
		}()
		for range 100 {
			time.Sleep(time.Second)
			g.Expect(l.Valid()).To(BeTrue())
		}
		g.Expect(l.Terms()).To(BeEquivalentTo(1))
		cancel()
		<-over
		g.Expect(l.Valid()).To(BeFalse())
	})
}

func TestTheRealClocksCount(t *testing.T) {
	g := NewWithT(t)
	take := newStamps()
	earlier := take()
	time.Sleep(5 * time.Millisecond)
	later := take()
	g.Expect(later.boot - earlier.boot).To(BeNumerically(">=", 5*time.Millisecond))
	g.Expect(later.wall.Sub(earlier.wall)).To(BeNumerically(">", 0))
}

func TestEvidenceOfATermIsItsFirstSight(t *testing.T) {
	g := NewWithT(t)
	now, there := time.Now(), time.Unix(1e9, 0)
	var e evidence
	e.see("b", there.Add(leaseTime), there, now, 2*leaseTime)
	g.Expect(e.left(now)).To(Equal(leaseTime))
	e.see("b", there.Add(leaseTime), there.Add(time.Hour), now.Add(time.Second), 2*leaseTime)
	g.Expect(e.left(now)).To(Equal(leaseTime), "the database's clock went ahead")
	e.see("b", there.Add(leaseTime), there.Add(-time.Hour), now.Add(leaseTime), 2*leaseTime)
	g.Expect(e.lives("a", now.Add(leaseTime))).To(BeFalse(), "it went back")
	e.see("c", there.Add(leaseTime), there.Add(-time.Hour), now, 2*leaseTime)
	g.Expect(e.left(now)).To(Equal(2*leaseTime), "no term is longer than that")
	g.Expect(e.lives("c", now)).To(BeFalse(), "one's own is in nobody's way")
}
