// Package boltstore is the embedded store: one durable bbolt file, in the
// process, without a server. It never knows who uses it.
package boltstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
)

// ErrLocked is returned by Open when another process holds the file.
var ErrLocked = errors.New("another devops-insights process uses this file: stop it, or set another DATA_DIR")

// Options configures a Store. Only Path is required.
type Options struct {
	// Path is the file; it is made when missing.
	Path string
	// Retention is the age at which history rows are deleted. Zero: 7 days;
	// negative: never.
	Retention time.Duration
	// SweepInterval is the time between two looks for old rows. Zero: 1 minute.
	SweepInterval time.Duration
	// LockTimeout is how long Open waits for the file. Zero: 1 s.
	LockTimeout time.Duration
	// CommitsPerSecond bounds the commits, with bursts of as many: changes that
	// come faster wait for a moment and share a commit, which costs each a
	// fraction of one. Zero: commits follow each other at once.
	CommitsPerSecond int
	// Now is the clock of the retention. Nil: time.Now.
	Now func() time.Time
	// Logger hears of failed sweeps. Nil: nobody does.
	Logger logrus.FieldLogger
}

// Store implements store.Store.
type Store struct {
	opts   Options
	db     *bolt.DB
	writes chan *write
	stop   chan struct{}
	work   sync.WaitGroup
	feed   feed
	known  known

	closing sync.Once
	closed  error
}

// Open opens or makes the file. It returns ErrLocked when another process has
// it open.
func Open(opts Options) (*Store, error) {
	if opts.Retention == 0 {
		opts.Retention = 7 * 24 * time.Hour
	}
	if opts.SweepInterval <= 0 {
		opts.SweepInterval = time.Minute
	}
	if opts.LockTimeout <= 0 {
		opts.LockTimeout = time.Second
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	db, err := bolt.Open(opts.Path, 0o600, &bolt.Options{Timeout: opts.LockTimeout, FreelistType: bolt.FreelistMapType})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%s: %w", opts.Path, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("the store %s cannot be opened: %w", opts.Path, err)
	}
	if err := db.Update(prepare); err != nil {
		return nil, errors.Join(fmt.Errorf("the store %s cannot be used: %w", opts.Path, err), db.Close())
	}
	s := &Store{opts: opts, db: db, writes: make(chan *write), stop: make(chan struct{})}
	s.known.hashes = make(map[string]string)
	s.feed.watchers = make(map[*watcher]struct{})
	s.work.Go(s.writer)
	if opts.Retention > 0 {
		s.work.Go(s.sweeper)
	}
	return s, nil
}

// Close waits for the writer and closes the file. Saves that were not yet
// taken up return store.ErrClosed.
func (s *Store) Close() error {
	s.closing.Do(func() {
		close(s.stop)
		s.work.Wait()
		s.closed = s.db.Close()
	})
	return s.closed
}

func (s *Store) isClosed() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// view runs a read and names a closed store.
func (s *Store) view(ctx context.Context, read func(*bolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := s.db.View(read)
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) || (err == nil && s.isClosed()) {
		return store.ErrClosed
	}
	return err
}

var _ store.Store = (*Store)(nil)
