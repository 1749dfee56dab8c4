package boltstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/time/rate"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/jsjson"
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

// key is that of the region in the bucket of the latest values.
func (w *write) key() string { return string(latestKey(w.sample.API, w.sample.Source)) }

// Save implements store.Writer. While the file cannot be written a change is
// kept in memory and announced all the same; see Stats.
func (s *Store) Save(ctx context.Context, sample store.Sample) (bool, error) {
	if err := checkNames(sample.API, sample.Source); err != nil {
		return false, err
	}
	if s.isClosed() {
		return false, store.ErrClosed
	}
	sample.Data = jsjson.Valid(sample.Data)
	w := &write{sample: sample, hash: store.Hash(sample.Data), done: make(chan struct{})}
	// Most values have not changed: that is known without the file.
	if s.hashes.holds(w) {
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

// checkNames refuses what cannot be part of a key.
func checkNames(api, source string) error {
	switch {
	case api == "" || source == "" || strings.ContainsRune(api, 0) || strings.ContainsRune(source, 0):
		return fmt.Errorf("api %q and source %q must not be empty or hold a zero byte: %w", api, source, store.ErrRefused)
	case len(rowKey(api, source, nil))+stampSize > bolt.MaxKeySize:
		return fmt.Errorf("an api and a source of %d bytes are longer than a key can be: %w", len(api)+len(source), store.ErrRefused)
	}
	return nil
}

// writer commits what waits, many saves at a time, and announces the changes
// after the commit.
func (s *Store) writer() {
	pace := rate.NewLimiter(rate.Inf, 0)
	if n := s.opts.CommitsPerSecond; n > 0 {
		pace = rate.NewLimiter(rate.Limit(n), n)
	}
	retry := time.NewTicker(retryInterval)
	defer retry.Stop()
	defer s.lose()
	for {
		select {
		case w := <-s.writes:
			s.commit(s.gather(w, pace))
		case j := <-s.jobs:
			j.err = j.do()
			close(j.done)
		case <-retry.C:
			s.flush()
		case <-s.stop:
			return
		}
	}
}

// job is something else that happens between two commits.
type job struct {
	do   func() error
	err  error
	done chan struct{}
}

// inWriter lets the writer do something between two commits. Once it has begun
// its end is waited for.
func (s *Store) inWriter(ctx context.Context, do func() error) error {
	j := &job{do: do, done: make(chan struct{})}
	select {
	case s.jobs <- j:
		<-j.done
		return j.err
	case <-s.stop:
		return store.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// gather returns the saves of one commit: the first one, those that wait, and
// those that come until it is its turn. A full commit is as cheap as it gets: it
// waits for nothing and counts for nothing.
func (s *Store) gather(first *write, pace *rate.Limiter) []*write {
	batch := s.waiting([]*write{first})
	if len(batch) == maxBatch {
		return batch
	}
	turn := pace.Reserve()
	if turn.Delay() <= 0 {
		return batch
	}
	timer := time.NewTimer(turn.Delay())
	defer timer.Stop()
	for len(batch) < maxBatch {
		select {
		case w := <-s.writes:
			batch = append(batch, w)
		case <-timer.C:
			return s.waiting(batch)
		case <-s.stop: // a store that closes does not wait for more
			return s.waiting(batch)
		}
	}
	turn.Cancel() // its time is still to come, so that another commit can have it
	return batch
}

// waiting adds the saves that wait at the moment.
func (s *Store) waiting(batch []*write) []*write {
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

// commit decides every save of the batch, in its order. A save that cannot be
// written fails alone: the others are committed without it.
func (s *Store) commit(batch []*write) {
	s.flush()
	batch = slices.DeleteFunc(slices.Clone(batch), func(w *write) bool {
		if !s.memory.waits(w) && !s.health.broken.Load() {
			return false
		}
		s.remember(w, nil)
		return true
	})
	for len(batch) > 0 {
		bad, err := s.apply(batch)
		switch {
		case err == nil:
			s.recovers()
			s.succeed(batch)
			return
		case bad >= 0:
			batch[bad].fail(err)
			batch = slices.Delete(batch, bad, bad+1)
		case len(batch) == 1 || beyond(err):
			for _, w := range batch {
				s.remember(w, err)
			}
			return
		default: // perhaps because of one of them: a value for which the disk has no room
			s.commit(batch[:len(batch)/2])
			batch = batch[len(batch)/2:]
		}
	}
}

// apply writes the batch in one transaction, or nothing. With an error bad is
// the save that caused it, negative where none did.
func (s *Store) apply(batch []*write) (bad int, err error) {
	bad = -1
	err = s.modify(func(t *txn) error {
		changed := false
		for i, w := range batch {
			if err := w.apply(t); err != nil {
				bad = i
				return err
			}
			changed = changed || w.changed
		}
		if !changed {
			return errUnchanged
		}
		return nil
	})
	if errors.Is(err, ErrDamaged) {
		bad = -1
	}
	if errors.Is(err, errUnchanged) {
		err = nil
	}
	return bad, err
}

// succeed answers the saves of a commit and announces the changes.
func (s *Store) succeed(batch []*write) {
	s.hashes.note(batch)
	for _, w := range batch {
		close(w.done)
	}
	for _, w := range batch {
		if w.changed {
			s.feed.Send(store.Change{Metric: w.metric}, s.stop)
		}
	}
}

// fail answers a save that could not be written.
func (w *write) fail(err error) {
	if errors.Is(err, bolterrors.ErrValueTooLarge) || errors.Is(err, bolterrors.ErrKeyTooLarge) {
		err = fmt.Errorf("%w: %w", store.ErrRefused, err)
	}
	w.changed, w.err = false, fmt.Errorf("the store cannot write: %w", err)
	close(w.done)
}

// apply writes one save into the transaction.
func (w *write) apply(t *txn) error {
	w.changed = false
	bucket := t.Bucket(bucketLatest())
	key := latestKey(w.sample.API, w.sample.Source)
	at := store.Milliseconds(w.sample.At).UnixMilli()
	next := record{
		API: w.sample.API, Source: w.sample.Source, Hash: w.hash,
		Created: at, Updated: at, Data: w.sample.Data,
	}
	var before record
	if old := bucket.Get(key); old != nil && before.read(old) == nil { // a damaged row is replaced
		if before.metric().Hash == w.hash {
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
	row := next
	row.Created, row.First = at, 0
	if err := t.appendRow(row); err != nil {
		return err
	}
	if err := t.takeBack(row); err != nil {
		return err
	}
	w.changed, w.metric = true, next.metric()
	return nil
}

// appendRow adds a row to the history.
func (t *txn) appendRow(row record) error {
	rows := t.Bucket(bucketByTime())
	sequence, err := rows.NextSequence()
	if err != nil {
		return err
	}
	stamp := timeKey(row.Created, sequence)
	value := encode(row)
	if err := rows.Put(stamp, value); err != nil {
		return err
	}
	t.add(areaRows, stamp, 1, rowSize(&row, value))
	return t.Bucket(bucketBySrc()).Put(rowKey(row.API, row.Source, stamp), nil)
}
