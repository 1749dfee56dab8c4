package boltstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/time/rate"

	"github.com/devops-insights/devops-insights/store"
)

// maxBatch bounds how many waiting saves share one commit.
const maxBatch = 64

type write struct {
	sample  store.Sample
	hash    string
	changed bool
	metric  store.Metric
	err     error
	done    chan struct{}
}

// Save implements store.Writer.
func (s *Store) Save(ctx context.Context, sample store.Sample) (bool, error) {
	if strings.ContainsRune(sample.API, 0) || strings.ContainsRune(sample.Source, 0) || sample.API == "" || sample.Source == "" {
		return false, fmt.Errorf("api %q and source %q must not be empty or hold a zero byte", sample.API, sample.Source)
	}
	if s.isClosed() {
		return false, store.ErrClosed
	}
	w := &write{sample: sample, hash: store.Hash(sample.Data), done: make(chan struct{})}
	// Most values have not changed: that is known without the file.
	if s.known.holds(w) {
		return false, nil
	}
	select {
	case s.writes <- w:
	case <-s.stop:
		return false, store.ErrClosed
	case <-ctx.Done():
		return false, ctx.Err()
	}
	// Once taken up the save is decided within one commit: its answer is
	// waited for, so that nobody is told of a failure that did not happen.
	<-w.done
	return w.changed, w.err
}

// writer commits what waits, many saves at a time, and announces the changes
// after the commit.
func (s *Store) writer() {
	pace := rate.NewLimiter(rate.Inf, 0)
	if n := s.opts.CommitsPerSecond; n > 0 {
		pace = rate.NewLimiter(rate.Limit(n), n)
	}
	for {
		var batch []*write
		select {
		case w := <-s.writes:
			batch = append(batch, w)
		case <-s.stop:
			return
		}
		turn := pace.Reserve()
		batch = s.gather(batch, turn.Delay())
		if len(batch) == maxBatch {
			turn.Cancel() // a full commit is as cheap as it gets, and waits for nothing
		}
		s.commit(batch)
	}
}

// gather adds the saves that come within a time, and those that wait then. A
// store that closes does not wait for more.
func (s *Store) gather(batch []*write, within time.Duration) []*write {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for over := within <= 0; !over && len(batch) < maxBatch; {
		select {
		case w := <-s.writes:
			batch = append(batch, w)
		case <-timer.C:
			over = true
		case <-s.stop:
			over = true
		}
	}
	for len(batch) < maxBatch {
		select {
		case w := <-s.writes:
			batch = append(batch, w)
		default:
			return batch
		}
	}
	return batch
}

// errUnchanged ends a commit that would write nothing.
var errUnchanged = errors.New("nothing changed")

func (s *Store) commit(batch []*write) {
	err := s.db.Update(func(tx *bolt.Tx) error {
		changed := false
		for _, w := range batch {
			if err := w.apply(tx); err != nil {
				return err
			}
			changed = changed || w.changed
		}
		if !changed {
			return errUnchanged
		}
		return nil
	})
	if errors.Is(err, errUnchanged) {
		err = nil
	}
	if err == nil {
		s.known.note(batch)
	}
	for _, w := range batch {
		if err != nil {
			w.changed, w.err = false, fmt.Errorf("the store cannot write: %w", err)
		}
		close(w.done)
	}
	for _, w := range batch {
		if w.changed {
			s.feed.announce(store.Change{Metric: w.metric}, s.stop)
		}
	}
}

func (w *write) apply(tx *bolt.Tx) error {
	bucket := tx.Bucket(bucketLatest())
	key := latestKey(w.sample.API, w.sample.Source)
	at := store.Milliseconds(w.sample.At).UnixMilli()
	next := record{
		API: w.sample.API, Source: w.sample.Source, Hash: w.hash,
		Created: at, Updated: at, Data: w.sample.Data,
	}
	if old := bucket.Get(key); old != nil {
		var before record
		if err := before.read(old); err != nil {
			return err
		}
		if before.Hash == w.hash {
			return nil
		}
		next.Created, next.First = before.Created, before.First
	} else {
		var err error
		if next.First, err = bucket.NextSequence(); err != nil {
			return err
		}
	}
	if err := bucket.Put(key, encode(next)); err != nil {
		return err
	}
	rows := tx.Bucket(bucketByTime())
	sequence, err := rows.NextSequence()
	if err != nil {
		return err
	}
	row := next
	row.Created, row.First = at, 0
	stamp := timeKey(at, sequence)
	if err := rows.Put(stamp, encode(row)); err != nil {
		return err
	}
	if err := tx.Bucket(bucketBySrc()).Put(append(sourcePrefix(row.API, row.Source), stamp...), nil); err != nil {
		return err
	}
	w.changed, w.metric = true, next.metric()
	return nil
}
