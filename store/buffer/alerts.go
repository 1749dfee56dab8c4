package buffer

import (
	"context"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// What is kept for alerting goes straight to the database: who writes it has to
// know whether it is there, and keeps it until then.

// Ledger implements store.Ledgers.
func (b *Buffer) Ledger(ctx context.Context, api string) (l store.Ledger, err error) {
	err = askFor(ctx, b, func(ctx context.Context, a store.Alerts) error {
		l, err = a.Ledger(ctx, api)
		return err
	})
	return l, err
}

// PutLedger implements store.Ledgers.
func (b *Buffer) PutLedger(ctx context.Context, l store.Ledger) error {
	return write(ctx, b, func(ctx context.Context, a store.Alerts) error { return a.PutLedger(ctx, l) })
}

// PutRecord implements store.Records.
func (b *Buffer) PutRecord(ctx context.Context, r store.Record) error {
	return write(ctx, b, func(ctx context.Context, a store.Alerts) error { return a.PutRecord(ctx, r) })
}

// FindRecords implements store.Records.
func (b *Buffer) FindRecords(ctx context.Context, q store.RecordQuery) (all []store.Record, err error) {
	err = askFor(ctx, b, func(ctx context.Context, a store.Alerts) error {
		all, err = a.FindRecords(ctx, q)
		return err
	})
	return all, err
}

// DeleteRecords implements store.Records.
func (b *Buffer) DeleteRecords(ctx context.Context, kind store.RecordKind, before time.Time, most int) (deleted int, err error) {
	err = write(ctx, b, func(ctx context.Context, a store.Alerts) error {
		deleted, err = a.DeleteRecords(ctx, kind, before, most)
		return err
	})
	return deleted, err
}
