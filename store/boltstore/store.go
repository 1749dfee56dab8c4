// Package boltstore is the embedded store: one durable bbolt file, in the
// process, without a server. It knows nothing of its users.
//
// One goroutine writes the values. What orders changes is the order of its
// commits; a Watch begins between two of them, with a snapshot of what is stored
// there. Rows of the history are in the order of the time at which they were
// taken, and within a millisecond in that of the commits: their keys hold both.
// A wall clock that jumps can spoil a time stamp, and the place of a row; it
// hides no change.
package boltstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/internal/fanout"
	"github.com/devops-insights/devops-insights/store/internal/retention"
)

// ErrLocked is returned by Open when another process holds the file.
var ErrLocked = errors.New("another devops-insights process uses this file: stop it, or set another DATA_DIR")

// FileName is the name of the file within the directory of the data.
const FileName = "devops-insights.db"

// Options configures a Store. Only Path is required.
type Options struct {
	// Path is the file; it is made when missing.
	Path string
	// Retention is the age at which history rows are deleted. Zero: 7 days;
	// negative: never.
	Retention time.Duration
	// Size is the size in bytes from which the oldest history rows are deleted,
	// however young they are. Zero: no bound.
	Size int64
	// Tiers says how much is kept of each tier: of those that it does not name,
	// everything.
	Tiers map[store.Tier]Keep
	// AwaitRollup is how long a row that is old enough to be deleted stays because
	// the tiers do not have it yet, as long as nothing is heard of those who keep
	// them. What is too large does not wait. Zero: nothing does.
	AwaitRollup time.Duration
	// Archive takes rows before they are deleted: those that it cannot take stay.
	// Nil: they are deleted.
	Archive Archive
	// SweepInterval is the time between two looks for old history. Zero: 1 minute.
	SweepInterval time.Duration
	// LockTimeout is how long Open waits for the file. Zero: 1 s.
	LockTimeout time.Duration
	// InspectInterval is the time between two looks whether the file is still
	// there, and whole. Zero: 10 s.
	InspectInterval time.Duration
	// StuckAfter is how long a write may take before the store says that the
	// disk does not answer. Zero: 5 s.
	StuckAfter time.Duration
	// CommitsPerSecond bounds the commits, with bursts of as many: changes that
	// come faster wait for a moment and share a commit, which costs each a
	// fraction of one. Zero: commits follow each other at once.
	CommitsPerSecond int
	// Now is the clock of the retention. Nil: time.Now.
	Now func() time.Time
	// Logger hears of failed sweeps. Nil: nobody does.
	Logger logrus.FieldLogger
}

func (o Options) withDefaults() Options {
	o.Retention = cmp.Or(o.Retention, 7*24*time.Hour)
	o.SweepInterval = cmp.Or(max(o.SweepInterval, 0), time.Minute)
	o.InspectInterval = cmp.Or(max(o.InspectInterval, 0), 10*time.Second)
	o.StuckAfter = cmp.Or(max(o.StuckAfter, 0), 5*time.Second)
	o.LockTimeout = cmp.Or(max(o.LockTimeout, 0), time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Store implements store.Store, store.Past and store.Alerts.
type Store struct {
	opts     Options
	db       *bolt.DB
	writes   chan *write
	stop     chan struct{}
	work     sync.WaitGroup
	jobs     chan *job
	feed     fanout.Fanout
	hashes   hashCache
	age      *retention.Clock
	file     *os.File // that of db
	pageSize int64
	memory   memory // of the writer
	health   health
	sweeping sync.Mutex
	behind   map[string]behind // under sweeping
	advised  atomic.Bool       // that compaction is worth while
	hurt     atomic.Bool       // what alerting keeps, and it was said

	closing sync.Once
	closed  error
}

// Open opens or makes the file. It returns ErrLocked when another process has
// it open.
func Open(opts Options) (*Store, error) {
	opts = opts.withDefaults()
	db, file, err := openDB(opts.Path, &bolt.Options{Timeout: opts.LockTimeout, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	if err := guard(func() error { return db.Update(prepare) }); err != nil {
		if errors.Is(err, ErrDamaged) {
			return nil, errors.Join(wayOut(opts.Path, err), release(file))
		}
		return nil, errors.Join(fmt.Errorf("the store %s cannot be used: %w", opts.Path, err), db.Close())
	}
	s := &Store{opts: opts, db: db, file: file, pageSize: int64(db.Info().PageSize), writes: make(chan *write), jobs: make(chan *job), stop: make(chan struct{})}
	s.age = retention.New(opts.Now)
	s.hashes.byKey = make(map[string]string)
	s.behind = make(map[string]behind)
	s.memory.latest = make(map[string]record)
	s.work.Go(s.writer)
	s.work.Go(s.inspect)
	s.work.Go(s.watchWrites)
	s.work.Go(s.sweeper)
	return s, nil
}

// Close waits for the writer and closes the file. Saves that were not yet
// taken up return store.ErrClosed.
func (s *Store) Close() error {
	s.closing.Do(func() {
		close(s.stop)
		s.work.Wait()
		s.closed = s.closeFile()
	})
	return s.closed
}

// closeFile closes the file. bbolt would wait for ever after an update that met
// damage, so that a damaged file is closed without it.
func (s *Store) closeFile() error {
	if s.health.broken.Load() {
		return release(s.file)
	}
	return guard(s.db.Close)
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
	err := s.read(read)
	if errors.Is(err, ErrDamaged) {
		s.report(err)
	}
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) || (err == nil && s.isClosed()) {
		return store.ErrClosed
	}
	return err
}

var (
	_ store.Store  = (*Store)(nil)
	_ store.Past   = (*Store)(nil)
	_ store.Alerts = (*Store)(nil)
)
