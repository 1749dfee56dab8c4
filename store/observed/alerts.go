package observed

import (
	"context"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

func (s *observedStore) Ledger(ctx context.Context, api string) (l store.Ledger, err error) {
	err = s.during(ctx, Ledger, api, "", func(ctx context.Context) error {
		l, err = s.Whole.Ledger(ctx, api)
		return err
	})
	return l, err
}

func (s *observedStore) PutLedger(ctx context.Context, l store.Ledger) error {
	return s.during(ctx, PutLedger, l.API, "", func(ctx context.Context) error {
		return s.Whole.PutLedger(ctx, l)
	})
}

func (s *observedStore) PutRecord(ctx context.Context, r store.Record) error {
	return s.during(ctx, PutRecord, r.API, "", func(ctx context.Context) error {
		return s.Whole.PutRecord(ctx, r)
	})
}

func (s *observedStore) FindRecords(ctx context.Context, q store.RecordQuery) (all []store.Record, err error) {
	err = s.during(ctx, FindRecords, q.API, "", func(ctx context.Context) error {
		all, err = s.Whole.FindRecords(ctx, q)
		return err
	})
	return all, err
}

func (s *observedStore) DeleteRecords(ctx context.Context, kind store.RecordKind, before time.Time, most int) (deleted int, err error) {
	err = s.during(ctx, DeleteRecords, "", "", func(ctx context.Context) error {
		deleted, err = s.Whole.DeleteRecords(ctx, kind, before, most)
		return err
	})
	return deleted, err
}
