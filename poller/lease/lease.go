package lease

import (
	"cmp"
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store/discard"
)

// Lease is the right to poll, which one instance at a time holds. Redis, Mongo
// and Combined are leases. A lease is used by one goroutine at a time.
type Lease interface {
	// Acquire takes or renews the lease and returns its term, which counts from
	// before the call: whoever holds it stops within the term, or renews it. An
	// error that is ErrHeld says that another instance has the lease; any other
	// one, that nobody can tell. It returns within a part of the term.
	Acquire(ctx context.Context) (term time.Duration, err error)
	// Release gives the lease back, so that another instance need not wait for
	// its end. It does nothing where this instance does not hold it.
	Release(ctx context.Context) error
}

// ErrHeld is what Acquire returns while another instance holds the lease.
var ErrHeld = errors.New("another instance holds the lease")

// HeldError is an ErrHeld that names the holder.
type HeldError struct {
	// Holder is its name, empty where it is not known.
	Holder string
	// For is how long it has the lease if it does not renew it; 0 where that is
	// not known.
	For time.Duration
}

// Error returns the sentence.
func (e *HeldError) Error() string {
	return fmt.Sprintf("%s: %s", ErrHeld, cmp.Or(e.Holder, "unknown"))
}

// Is makes every HeldError an ErrHeld.
func (e *HeldError) Is(target error) bool { return target == ErrHeld }

// Options says who asks for which lease. API is required.
type Options struct {
	// API is the upstream's name; each has a lease of its own.
	API string
	// Holder names this instance and no other. Empty: NewHolder().
	Holder string
	// Term is how long the lease lasts without renewal. Zero: 30 s.
	Term time.Duration
	// Logger is told when Redis stops and begins to tell who has the key. Nil:
	// nothing is logged.
	Logger logrus.FieldLogger
}

func (o Options) withDefaults() Options {
	o.Logger = orSilent(o.Logger)
	o.Term = cmp.Or(max(o.Term, 0), 30*time.Second)
	if o.Holder == "" {
		o.Holder = NewHolder()
	}
	return o
}

// orSilent is the logger, or one that discards everything.
func orSilent(log logrus.FieldLogger) logrus.FieldLogger {
	if log != nil {
		return log
	}
	return discard.Logger()
}

// NewHolder returns a name for this instance that no other has, as the Node
// backend writes it: host, process id and random digits.
func NewHolder() string {
	host, _ := os.Hostname() // only a name to show
	var random [8]byte
	_, _ = cryptorand.Read(random[:]) // never fails
	return fmt.Sprintf("%s:%d:%x", host, os.Getpid(), random)
}
