package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

// Ledger implements store.Ledgers.
func (s *Store) Ledger(ctx context.Context, api string) (l store.Ledger, err error) {
	err = s.view(ctx, func(tx *bolt.Tx) error {
		value := tx.Bucket(bucketLedgers()).Get([]byte(api))
		if value == nil {
			return store.ErrNotFound
		}
		if l, err = decodeLedger([]byte(api), value); err != nil {
			s.sayHurt(err)
			return store.ErrNotFound
		}
		return nil
	})
	if err != nil {
		return store.Ledger{}, err
	}
	return l, nil
}

// PutLedger implements store.Ledgers.
func (s *Store) PutLedger(ctx context.Context, l store.Ledger) error {
	if err := l.Check(); err != nil {
		return err
	}
	return s.write(ctx, func(t *txn) error {
		ledgers, key := t.Bucket(bucketLedgers()), []byte(l.API)
		var before store.Ledger // as if there were none where it is damaged
		if found, err := decodeLedger(key, ledgers.Get(key)); err == nil {
			before = found
		}
		if before.Version > 0 && before.Term > l.Term {
			return fmt.Errorf("the ledger of %s is written by term %d, not by %d: %w", l.API, before.Term, l.Term, store.ErrFenced)
		}
		if before.Version+1 != l.Version {
			return fmt.Errorf("the ledger of %s has the version %d, so that %d does not follow: %w", l.API, before.Version, l.Version, store.ErrConflict)
		}
		return putSealed(ledgers, kindLedger, key, encodeLedger(l))
	})
}

// sayHurt says, once, that something of alerting cannot be read.
func (s *Store) sayHurt(err error) {
	if s.opts.Logger != nil && s.hurt.CompareAndSwap(false, true) {
		s.opts.Logger.WithError(err).Error("something that is kept for alerting is damaged and left out; `devops-insights store check` says what")
	}
}

func encodeLedger(l store.Ledger) []byte {
	b := binary.AppendVarint(make([]byte, 0, len(l.Data)+3*binary.MaxVarintLen64), l.Term)
	b = binary.AppendVarint(b, l.Version)
	return append(binary.AppendUvarint(b, uint64(len(l.Data))), l.Data...)
}

// decodeLedger copies everything out of the transaction's memory.
func decodeLedger(key, value []byte) (store.Ledger, error) {
	_, content, err := unseal(kindLedger, key, value)
	if err != nil {
		return store.Ledger{}, err
	}
	p := parts{rest: content}
	l := store.Ledger{API: string(key), Term: p.signed(), Version: p.signed(), Data: bytes.Clone(p.bytes())}
	if p.bad || len(p.rest) > 0 || l.Check() != nil {
		return store.Ledger{}, damaged(value)
	}
	return l, nil
}
