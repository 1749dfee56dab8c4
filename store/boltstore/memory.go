package boltstore

import (
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
)

// While the file cannot be written, values are kept in memory: dashboards go on
// hearing of changes, and the rows are written when the file takes them again.

// The bounds of what waits, and the time between two attempts to write it.
const (
	maxPending      = 10_000
	maxPendingBytes = 64 << 20
	retryInterval   = time.Second
)

// memory is what the file does not hold yet. The writer uses it alone.
type memory struct {
	latest  map[string]record // of the regions with changes that wait, by the key of the bucket
	pending []*write
	bytes   int
	tried   time.Time
}

// remember decides a save that the file did not take, and announces it.
func (s *Store) remember(w *write, failure error) {
	if failure != nil {
		s.fails(failure)
	}
	key := w.key()
	before, known := s.memory.latest[key]
	if !known && !s.health.broken.Load() {
		before, known = s.stored(key)
	}
	if w.changed = !known || before.metric().Hash != w.hash; w.changed {
		at := store.Milliseconds(w.sample.At).UnixMilli()
		next := record{API: w.sample.API, Source: w.sample.Source, Hash: w.hash, Created: at, Updated: at, Data: w.sample.Data}
		if known {
			next.Created, next.First = before.Created, before.First
		}
		w.metric = next.metric()
		s.memory.latest[key] = next
		s.memory.pending = append(s.memory.pending, w)
		s.memory.bytes += len(w.sample.Data)
		s.drop()
	}
	w.err = nil
	s.succeed([]*write{w})
}

// stored reads a latest value where the file can still be read.
func (s *Store) stored(key string) (r record, ok bool) {
	err := s.read(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketLatest()).Get([]byte(key))
		if b == nil {
			return store.ErrNotFound
		}
		var err error
		r, err = decode(b)
		return err
	})
	return r, err == nil
}

// drop keeps what waits within its bounds: the oldest go.
func (s *Store) drop() {
	m := &s.memory
	for len(m.pending) > 0 && (len(m.pending) > maxPending || m.bytes > maxPendingBytes) {
		m.remove(0)
		s.health.dropped.Add(1)
	}
	s.health.pending.Store(int64(len(m.pending)))
}

// remove takes one out of what waits.
func (m *memory) remove(i int) {
	w := m.pending[i]
	m.bytes -= len(w.sample.Data)
	m.pending = slices.Delete(m.pending, i, i+1)
	key := w.key()
	if !slices.ContainsFunc(m.pending, func(w *write) bool { return w.key() == key }) {
		delete(m.latest, key)
	}
}

// waits reports whether a region has changes that wait: later ones wait too.
func (m *memory) waits(w *write) bool {
	_, ok := m.latest[w.key()]
	return ok
}

// maxFailures is after how many rows that cannot be written the others are left
// for the next attempt.
const maxFailures = 3

// flush tries to write what waits, at most once in retryInterval: all at once,
// else one by one, so that a row for which there is no room keeps only its own
// region waiting.
func (s *Store) flush() {
	m := &s.memory
	if len(m.pending) == 0 || s.health.broken.Load() || time.Since(m.tried) < retryInterval {
		return
	}
	m.tried = time.Now()
	failed := make(map[string]bool)
	size := maxBatch
	for i := 0; i < len(m.pending) && len(failed) < maxFailures; {
		if failed[m.pending[i].key()] {
			i++
			continue
		}
		part := m.pending[i:min(i+size, len(m.pending))]
		bad, err := s.apply(part)
		switch {
		case err == nil:
			for range part {
				m.remove(i)
			}
		case bad >= 0: // one that the file will never take
			m.remove(i + bad)
			s.health.dropped.Add(1)
		case s.health.broken.Load():
			return
		case len(part) > 1:
			size = 1
		default:
			s.fails(err)
			failed[part[0].key()] = true
			i++
		}
	}
	s.health.pending.Store(int64(len(m.pending)))
	s.recovers()
}

// lose logs what a store that closes could not write.
func (s *Store) lose() {
	s.memory.tried = time.Time{}
	s.flush()
	if len(s.memory.pending) == 0 || s.opts.Logger == nil {
		return
	}
	s.opts.Logger.WithField("changes", len(s.memory.pending)).Error("changes that waited for the file of the store are lost")
}

func (s *Store) fails(err error) {
	if beyond(err) {
		s.health.broken.Store(true)
	}
	s.report(err)
}

// recovers notes that the file takes everything again, where it does.
func (s *Store) recovers() {
	if len(s.memory.pending) == 0 {
		s.wrote()
	}
}

// wrote notes that the file is well, and logs it where it was not.
func (s *Store) wrote() {
	if since := s.health.clear(); !since.IsZero() && s.opts.Logger != nil {
		s.opts.Logger.WithField("duration_ms", time.Since(since).Milliseconds()).Info("the store writes its file again")
	}
}

// report logs and shows a failure when it begins, or has another cause.
func (s *Store) report(err error) {
	if !s.health.set(err) || s.opts.Logger == nil {
		return
	}
	class, text := Explain(err)
	s.opts.Logger.WithFields(logrus.Fields{"err_class": class, "cause": text, logrus.ErrorKey: err}).
		Error("the store has a failure: dashboards go on from memory; `devops-insights store check` examines a file that is not in use")
}
