package poller

import (
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/sirupsen/logrus"
)

// Lease is the right to poll, which one instance at a time holds.
type Lease interface {
	// Acquire takes or renews the lease for a time that it returns, counted
	// from before the call. ErrHeld says that another instance has it; any
	// other error, that nobody can tell.
	Acquire(ctx context.Context) (time.Duration, error)
	// Release gives it back, so that another instance need not wait for its end.
	Release(ctx context.Context) error
}

// ErrHeld is returned by Lease.Acquire while another instance holds the lease.
var ErrHeld = errors.New("another instance holds the lease")

// Holder returns a name for this instance that no other has, as the Node
// backend writes it: host, process id and random digits.
func Holder() string {
	host, _ := os.Hostname() // only a name to show
	var random [8]byte
	_, _ = cryptorand.Read(random[:])
	return fmt.Sprintf("%s:%d:%x", host, os.Getpid(), random)
}

// releaseTimeout bounds the giving back at the end.
const releaseTimeout = 2 * time.Second

// Lead runs work while this instance holds the lease, and waits for the lease
// otherwise, until ctx ends; the lease is then given back. It asks every third
// of the lease's time, or after wait while another instance has it. When a
// renewal fails, work is cancelled a third before the lease ends: two instances
// never work at once, as long as work heeds its context.
func Lead(ctx context.Context, lease Lease, wait time.Duration, log logrus.FieldLogger, work func(context.Context) error) error {
	for ctx.Err() == nil {
		began := time.Now()
		length, err := lease.Acquire(ctx)
		switch {
		case err == nil:
			log.Info("this instance polls: it has the lease")
			if err := hold(ctx, lease, began, length, log, work); err != nil {
				return err
			}
			continue
		case !errors.Is(err, ErrHeld) && ctx.Err() == nil:
			log.WithError(err).Warn("the lease cannot be asked for: this instance does not poll")
		}
		rest(ctx, wait/2+rand.N(wait/2+1))
	}
	return nil
}

// rest waits for d or the end of ctx.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// hold works and renews until the lease is lost or ctx ends.
func hold(ctx context.Context, lease Lease, began time.Time, length time.Duration, log logrus.FieldLogger, work func(context.Context) error) error {
	working, cancel := context.WithCancel(ctx)
	defer cancel()
	over := make(chan error, 1)
	go func() { over <- work(working) }()
	defer func() {
		give, done := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
		defer done()
		if err := lease.Release(give); err != nil {
			log.WithError(err).Warn("the lease could not be given back and ends by itself")
		}
	}()
	for {
		select {
		case err := <-over:
			return err
		case <-ctx.Done():
			return <-over
		case <-time.After(length / 3):
		}
		asked := time.Now()
		// A renewal that takes longer than this comes too late to be of use.
		renewal, done := context.WithDeadline(ctx, began.Add(length*2/3))
		renewed, err := lease.Acquire(renewal)
		done()
		switch {
		case err == nil:
			began, length = asked, renewed
		case ctx.Err() != nil:
		case errors.Is(err, ErrHeld):
			log.Error("the lease was lost to another instance: this instance stops polling")
			cancel()
			return <-over
		case time.Since(began)+length/6 >= length*2/3:
			log.WithError(err).Error("the lease could not be renewed: this instance stops polling before it ends")
			cancel()
			return <-over
		default:
			log.WithError(err).Warn("the lease could not be renewed yet")
		}
	}
}
