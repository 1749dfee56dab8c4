package boltstore

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/devops-insights/devops-insights/store/diskfile"
)

// ErrDamaged says that the file does not hold what it should.
var ErrDamaged = errors.New("the file of the embedded store is damaged")

// guard runs what looks into the file. bbolt panics where a page is not what it
// expects, and the process faults where the file is shorter than its map:
// either becomes an ErrDamaged.
func guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, v)
		}
	}()
	return do()
}

// openDB opens a file of bbolt, and returns the open file with it. An error says
// what can be done; the file is closed then.
func openDB(path string, o *bolt.Options) (db *bolt.DB, file *os.File, err error) {
	o.OpenFile = func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
		file, err = os.OpenFile(name, flag, mode) // #nosec G304 -- the path is a setting.
		return file, err
	}
	if n, err := size(path); o.ReadOnly && err == nil && n == 0 {
		return nil, nil, wayOut(path, fmt.Errorf("%w: it is empty", ErrDamaged))
	}
	err = guard(func() (err error) {
		db, err = bolt.Open(path, 0o600, o)
		return err
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, nil, fmt.Errorf("%s: %w", path, ErrLocked)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, nil, wayOut(path, fmt.Errorf("%w: %w", ErrDamaged, err))
	case errors.Is(err, ErrDamaged): // bbolt left the file open
		return nil, nil, errors.Join(wayOut(path, err), release(file))
	case err != nil && file != nil && !errors.As(err, new(syscall.Errno)): // not the system's: what is in it
		return nil, nil, wayOut(path, fmt.Errorf("%w: %w", ErrDamaged, err))
	case err != nil:
		return nil, nil, fmt.Errorf("the store %s cannot be opened: %w", path, err)
	}
	if err := whole(db, path); err != nil {
		return nil, nil, errors.Join(wayOut(path, err), guard(db.Close))
	}
	return db, file, nil
}

// whole compares the length of the file with the pages that it says it has.
func whole(db *bolt.DB, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return guard(func() error {
		return db.View(func(tx *bolt.Tx) error {
			if info.Size() < tx.Size() {
				return fmt.Errorf("%w: it has %d bytes of %d", ErrDamaged, info.Size(), tx.Size())
			}
			return nil
		})
	})
}

// wayOut adds what a person can do to an error about a damaged file.
func wayOut(path string, err error) error {
	return fmt.Errorf("%s: %w. `devops-insights store check` says how far, `devops-insights store repair` saves what can be read into a new file", path, err)
}

// cause is what health and log may say of a failure: no path.
func cause(err error) string { _, text := Explain(err); return text }

// Explain names the class of an error of the store as Stats has it, and says in a
// sentence, without the name of the file, what it is about.
func Explain(err error) (class, text string) {
	switch {
	case errors.Is(err, ErrDamaged):
		return "DAMAGED", "the file is damaged"
	case errors.Is(err, errStuck):
		return "STUCK", "the disk does not answer"
	case errors.Is(err, errGone):
		return "GONE", errGone.Error()
	}
	if class, text := diskfile.Fault(err); class != "" {
		return class, text
	}
	return "OTHER", "the file cannot be written"
}

// update changes the file. Where it is damaged or gone nothing is written any
// more: bbolt may hold its lock for ever.
func (s *Store) update(change func(*bolt.Tx) error) error {
	if s.health.broken.Load() {
		return s.health.refusal()
	}
	if err := s.reachable(); err != nil {
		return err
	}
	now := time.Now()
	if s.health.writing.CompareAndSwap(nil, &now) { // others wait behind this one
		defer s.health.writing.Store(nil)
	}
	err := guard(func() error { return s.db.Update(change) })
	switch {
	case err == nil:
		s.health.mu.Lock()
		s.health.written = time.Now()
		s.health.mu.Unlock()
	case errors.Is(err, ErrDamaged):
		s.fails(err)
	}
	return err
}

// read looks into the file.
func (s *Store) read(do func(*bolt.Tx) error) error {
	if err := s.reachable(); err != nil {
		return err
	}
	var tx *bolt.Tx
	err := guard(func() (err error) {
		tx, err = s.db.Begin(false)
		return err
	})
	if errors.Is(err, ErrDamaged) {
		s.lockedUp()
	}
	if err != nil {
		return err
	}
	defer func() { _ = guard(tx.Rollback) }() // of a transaction that only reads
	return guard(func() error { return do(tx) })
}

// reachable fails where a transaction cannot begin: the first pages are not in
// the file any more. bbolt would fault while it holds its locks, and whoever
// comes next would wait for ever.
func (s *Store) reachable() error {
	if s.health.locked.Load() {
		return ErrDamaged
	}
	if info, err := s.file.Stat(); err == nil && info.Size() < metaPages*s.pageSize {
		s.lockedUp()
		return ErrDamaged
	}
	return nil
}

// metaPages is the number of pages that say where all others are.
const metaPages = 2

// lockedUp notes that bbolt cannot be called any more.
func (s *Store) lockedUp() {
	s.health.locked.Store(true)
	s.fails(ErrDamaged)
}
