package buffer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// ask passes a question on, within its own time and the timeout of one call.
func (b *Buffer) ask(ctx context.Context, question func(context.Context, store.Store) error) error {
	inner, err := b.available()
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, b.opts.Timeout)
	defer cancel()
	if err := question(bounded, inner); err != nil {
		return b.explain(ctx, err)
	}
	return nil
}

// Latest implements store.Reader.
func (b *Buffer) Latest(ctx context.Context, api, source string) (m store.Metric, err error) {
	err = b.ask(ctx, func(ctx context.Context, inner store.Store) error {
		m, err = inner.Latest(ctx, api, source)
		return err
	})
	return m, err
}

// AllLatest implements store.Reader.
func (b *Buffer) AllLatest(ctx context.Context, api string) (all []store.Metric, err error) {
	err = b.ask(ctx, func(ctx context.Context, inner store.Store) error {
		all, err = inner.AllLatest(ctx, api)
		return err
	})
	return all, err
}

// Scan implements store.Reader.
func (b *Buffer) Scan(ctx context.Context, q store.Query, each func(store.Metric) error) error {
	return stream(ctx, b, each, func(ctx context.Context, inner store.Store, each func(store.Metric) error) error {
		return inner.Scan(ctx, q, each)
	})
}

// stream passes on a question with many answers. The timeout bounds the time
// until the next of them; that in which the caller does something with one does
// not count.
func stream[T any](ctx context.Context, b *Buffer, each func(T) error, question func(context.Context, store.Store, func(T) error) error) error {
	inner, err := b.available()
	if err != nil {
		return err
	}
	bounded, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(b.opts.Timeout, func() { cancel(context.DeadlineExceeded) })
	defer late.Stop()
	var own error
	err = question(bounded, inner, func(answer T) error {
		if !late.Stop() { // it is over, and the caller hears so from the store
			return context.Cause(bounded)
		}
		if own = each(answer); own != nil {
			return own
		}
		late.Reset(b.opts.Timeout)
		return nil
	})
	switch {
	case err == nil || own != nil:
		return err
	case errors.Is(context.Cause(bounded), context.DeadlineExceeded) && ctx.Err() == nil:
		err = fmt.Errorf("the database did not go on answering within %s: %w", b.opts.Timeout, context.DeadlineExceeded)
	}
	return b.explain(ctx, err)
}

// Watch implements store.Feed. It begins when the database is connected; what
// happens to the feed then is the database package's own business.
func (b *Buffer) Watch(ctx context.Context, ready func(), handle func(context.Context, store.Change) error) error {
	select {
	case <-b.connected:
	case <-ctx.Done():
		return ctx.Err()
	case <-b.ctx.Done():
		return store.ErrClosed
	}
	inner, err := b.database()
	if err != nil {
		return err
	}
	return inner.Watch(ctx, ready, func(ctx context.Context, c store.Change) error {
		b.heard(c)
		return handle(ctx, c)
	})
}

// Refresh implements store.Feed.
func (b *Buffer) Refresh(ctx context.Context) error {
	inner, err := b.available()
	if err != nil {
		return err
	}
	return inner.Refresh(ctx)
}

// heard forgets what this process stored last where somebody else has stored
// since.
func (b *Buffer) heard(c store.Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := key{c.API, c.Source}
	if !bytes.Equal(b.pending.stored[k], c.Data) {
		delete(b.pending.stored, k)
	}
}
