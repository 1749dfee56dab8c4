package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// memory is a Store in memory that keeps the contract of store.Alerts.
type memory struct {
	mu      sync.Mutex
	ledger  store.Ledger
	records map[string]store.Record
	writes  int
	// before and after may let a call fail: before it has done anything, or after it
	// has done it all.
	before, after func(op string) error
	landed        func() // the ledger was written, whether or not anybody hears of it
}

var errAway = errors.New("the database is away")

func newMemory() *memory { return &memory{records: make(map[string]store.Record)} }

// call does something, unless the store is made to fail.
func (m *memory) call(op string, do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.before != nil {
		if err := m.before(op); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	if m.after != nil {
		return m.after(op)
	}
	return nil
}

func (m *memory) Ledger(context.Context, string) (l store.Ledger, err error) {
	err = m.call("ledger", func() error {
		if l = m.ledger; l.Version == 0 {
			return store.ErrNotFound
		}
		return nil
	})
	return l, err
}

func (m *memory) PutLedger(_ context.Context, l store.Ledger) error {
	return m.call("put_ledger", func() error {
		switch {
		case l.Term < m.ledger.Term:
			return store.ErrFenced
		case l.Version != m.ledger.Version+1:
			return store.ErrConflict
		case len(l.Data) > maxLedger:
			return store.ErrRefused
		}
		l.Data = slices.Clone(l.Data)
		m.ledger = l
		m.writes++
		if m.landed != nil {
			m.landed()
		}
		return nil
	})
}

func (m *memory) PutRecord(_ context.Context, r store.Record) error {
	return m.call("put_record", func() error {
		if r.Version <= m.records[r.ID].Version {
			return store.ErrConflict
		}
		m.records[r.ID] = r
		return nil
	})
}

func (m *memory) DeleteRecords(_ context.Context, kind store.RecordKind, before time.Time, most int) (n int, err error) {
	err = m.call("delete_records", func() error {
		maps.DeleteFunc(m.records, func(_ string, r store.Record) bool {
			old := r.Kind == kind && r.At.Before(before) && n < most
			if old {
				n++
			}
			return old
		})
		return nil
	})
	return n, err
}
