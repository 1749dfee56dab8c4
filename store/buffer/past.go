package buffer

import (
	"context"
	"errors"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// errNoPast says that a database keeps rows and nothing else.
var errNoPast = errors.New("this database keeps nothing beside the rows")

// writeFactor is how many times Options.Timeout a write beside the rows may take: it
// may be much, and nobody waits for it who polls.
const writeFactor = 12

// as is the inner store as what it has to be beside a store of rows.
func as[T any](inner store.Store) (t T, err error) {
	t, ok := inner.(T)
	if !ok {
		return t, errNoPast
	}
	return t, nil
}

// write passes a write beside the rows on. What the database does not take the
// caller keeps: nothing of it waits here.
func write[T any](ctx context.Context, b *Buffer, what func(context.Context, T) error) error {
	inner, err := b.available()
	if err != nil {
		return err
	}
	p, err := as[T](inner)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, writeFactor*b.opts.Timeout)
	defer cancel()
	err = what(bounded, p)
	if err == nil || errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrRefused) {
		return err
	}
	return b.explain(ctx, err)
}

// PutOutcomes implements store.Outcomes.
func (b *Buffer) PutOutcomes(ctx context.Context, term int64, intervals []store.Interval) error {
	return write(ctx, b, func(ctx context.Context, p store.Past) error { return p.PutOutcomes(ctx, term, intervals) })
}

// LastOutcome implements store.Outcomes.
func (b *Buffer) LastOutcome(ctx context.Context, api, source string) (i store.Interval, err error) {
	err = askFor(ctx, b, func(ctx context.Context, p store.Past) error {
		i, err = p.LastOutcome(ctx, api, source)
		return err
	})
	return i, err
}

// ScanOutcomes implements store.Outcomes.
func (b *Buffer) ScanOutcomes(ctx context.Context, api, source string, from, to time.Time, each func(store.Interval) error) error {
	return stream(ctx, b, each, func(ctx context.Context, inner store.Store, each func(store.Interval) error) error {
		p, err := as[store.Past](inner)
		if err != nil {
			return err
		}
		return p.ScanOutcomes(ctx, api, source, from, to, each)
	})
}

// Mark implements store.Rollups.
func (b *Buffer) Mark(ctx context.Context, api, source string) (m store.Mark, err error) {
	err = askFor(ctx, b, func(ctx context.Context, p store.Past) error {
		m, err = p.Mark(ctx, api, source)
		return err
	})
	return m, err
}

// PutChunks implements store.Rollups.
func (b *Buffer) PutChunks(ctx context.Context, term int64, m store.Mark, chunks []store.Chunk) error {
	return write(ctx, b, func(ctx context.Context, p store.Past) error { return p.PutChunks(ctx, term, m, chunks) })
}

// ScanChunks implements store.Rollups.
func (b *Buffer) ScanChunks(ctx context.Context, q store.ChunkQuery, each func(store.Chunk) error) error {
	return stream(ctx, b, each, func(ctx context.Context, inner store.Store, each func(store.Chunk) error) error {
		p, err := as[store.Past](inner)
		if err != nil {
			return err
		}
		return p.ScanChunks(ctx, q, each)
	})
}

// Import implements store.Importer. Rows that wait to be stored are not among
// those that are found to be there already.
func (b *Buffer) Import(ctx context.Context, rows []store.Metric) (added int, err error) {
	err = write(ctx, b, func(ctx context.Context, p store.Past) error {
		added, err = p.Import(ctx, rows)
		return err
	})
	return added, err
}

// askFor passes a question beside the rows on.
func askFor[T any](ctx context.Context, b *Buffer, question func(context.Context, T) error) error {
	return b.ask(ctx, func(ctx context.Context, inner store.Store) error {
		p, err := as[T](inner)
		if err != nil {
			return err
		}
		return question(ctx, p)
	})
}
