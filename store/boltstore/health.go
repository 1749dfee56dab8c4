package boltstore

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

// Stats says how the store is doing.
type Stats struct {
	// Failing is since when the file has a failure; zero when it has none.
	Failing time.Time
	// Class is the kind of failure as one short word that stays the same: DAMAGED,
	// GONE, STUCK, OTHER, or one of diskfile.Fault. Cause is a sentence about it,
	// without the name of the file.
	Class, Cause string
	// Damaged says that the file itself is at fault: it stays so until it is
	// repaired or replaced, and the program started again.
	Damaged bool
	// Pending is the number of changes that wait for the file.
	Pending int
	// Dropped counts changes that waited in vain, since the start.
	Dropped uint64
	// ArchiveFailing is since when rows that are old enough cannot be archived,
	// and so are not deleted; zero when they can. ArchiveCause is a sentence about
	// it, without the name of the folder.
	ArchiveFailing time.Time
	ArchiveCause   string
}

// health is what is known of the file.
type health struct {
	broken  atomic.Bool               // nothing is written any more
	locked  atomic.Bool               // nor read
	writing atomic.Pointer[time.Time] // since when; nil while nothing is written
	pending atomic.Int64
	dropped atomic.Uint64
	deleted atomic.Uint64

	mu      sync.Mutex
	since   time.Time
	class   string
	cause   string
	damaged bool
	written time.Time

	archiveSince time.Time
	archiveCause string
}

// archived notes how archiving went: whether a failure is another one than
// before, and since when it had failed where it does not any more.
func (h *health) archived(err error) (news bool, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		since = h.archiveSince
		h.archiveSince, h.archiveCause = time.Time{}, ""
		return false, since
	}
	what := cause(err)
	news = h.archiveCause != what
	h.archiveCause = what
	if h.archiveSince.IsZero() {
		h.archiveSince = time.Now()
	}
	return news, time.Time{}
}

// beyond reports whether an error is one after which nothing is written any more.
func beyond(err error) bool { return errors.Is(err, ErrDamaged) || errors.Is(err, errGone) }

// refusal is the error of every change once nothing is written any more: the one
// that Stats tells of.
func (h *health) refusal() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cause == errGone.Error() {
		return errGone
	}
	return ErrDamaged
}

// set notes a failure and reports whether it is another one than before. Damage
// stays what it is.
func (h *health) set(err error) (news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	class, what := Explain(err)
	if h.damaged || h.cause == what {
		return false
	}
	if h.since.IsZero() {
		h.since = time.Now()
	}
	h.class, h.cause = class, what
	h.damaged = beyond(err)
	return true
}

// clear notes that the file is well, and returns since when it was not; zero
// where nothing ends.
func (h *health) clear() (since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.damaged {
		return time.Time{}
	}
	since = h.since
	h.since, h.class, h.cause = time.Time{}, "", ""
	return since
}

// Stats returns how the store is doing. It looks at nothing and never waits.
func (s *Store) Stats() Stats {
	h := &s.health
	h.mu.Lock()
	defer h.mu.Unlock()
	return Stats{
		Failing: h.since, Class: h.class, Cause: h.cause, Damaged: h.damaged,
		Pending: int(h.pending.Load()), Dropped: h.dropped.Load(),
		ArchiveFailing: h.archiveSince, ArchiveCause: h.archiveCause,
	}
}

// Deleted returns how many rows were deleted for their age, or for the size of the
// history, since the start.
func (s *Store) Deleted() uint64 { return s.health.deleted.Load() }

// Written returns when something was last written durably; zero: not yet.
func (s *Store) Written() time.Time {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	return s.health.written
}

// Check reads one latest value, which need not exist, from the file.
func (s *Store) Check(ctx context.Context, api, source string) error {
	_, err := s.Latest(ctx, api, source)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// errGone says that what is written reaches nobody.
var errGone = errors.New("the file was deleted or replaced while the program runs")

// inspect looks from time to time whether the file is still there, and whole.
func (s *Store) inspect() {
	tick := time.NewTicker(s.opts.InspectInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.stop:
			return
		}
		if err := s.look(); err != nil {
			s.fails(err)
		}
	}
}

func (s *Store) look() error {
	open, err := s.file.Stat()
	if err != nil {
		return nil // the store closes
	}
	there, err := os.Stat(s.opts.Path)
	if err != nil || !os.SameFile(open, there) {
		return errGone
	}
	return s.read(func(tx *bolt.Tx) error {
		// The pages may have grown since the length was asked for.
		if open.Size() >= tx.Size() {
			return nil
		}
		if now, err := s.file.Stat(); err == nil && now.Size() < tx.Size() {
			return ErrDamaged
		}
		return nil
	})
}

// errStuck says that a write is neither done nor refused.
var errStuck = errors.New("a write to the disk does not end")

// watchWrites tells of writes that do not end. What they hold up goes on when
// they do.
func (s *Store) watchWrites() {
	tick := time.NewTicker(s.opts.StuckAfter / 2)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.stop:
			return
		}
		switch since := s.health.writing.Load(); {
		case since != nil && time.Since(*since) >= s.opts.StuckAfter:
			if s.health.set(errStuck) && s.opts.Logger != nil {
				class, text := Explain(errStuck)
				s.opts.Logger.WithFields(logrus.Fields{"err_class": class, "cause": text}).Error("the store has a failure: what changes waits, and dashboards with it, until the disk answers")
			}
		case since == nil && s.Stats().Cause == cause(errStuck): // nothing was written since
			s.wrote()
		}
	}
}
