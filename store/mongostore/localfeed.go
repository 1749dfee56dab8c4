package mongostore

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/internal/fanout"
)

// localFeed announces what this process stored, for deployments that announce
// nothing themselves.
type localFeed struct {
	fanout.Fanout
	// gate is held, one part of it, by each save until its change is
	// announced; and as a whole while a Watch reads the latest values, so that
	// each change is announced before the reading or stored after it.
	gate *semaphore.Weighted
}

// wholeGate is the whole of localFeed.gate.
const wholeGate = 1 << 30

// followLocal hands on this process's changes until a stream can be opened, or
// an error. It reports whether it has come as far as to hand on changes.
func (w *watcher) followLocal(ctx context.Context) (followed bool, err error) {
	local := w.store.local.Listen()
	defer local.Close()
	retry := time.NewTicker(w.store.opts.Retry)
	defer retry.Stop()
	for {
		if asked := w.requests.take(); w.needsSnapshot || len(asked) > 0 {
			err := w.synchroniseLocal(ctx, local)
			w.requests.answer(asked, err)
			if err != nil {
				return followed, err
			}
			followed = true
		}
		select {
		case <-ctx.Done():
			return followed, ctx.Err()
		case <-w.requests.wake:
		case c := <-local.Changes():
			if err := w.handOn(ctx, c); err != nil {
				return followed, err
			}
		case <-retry.C:
			stream, err := w.open(ctx)
			if err == nil {
				_ = stream.Close(ctx)
				return followed, w.handOnAll(ctx, waiting(local))
			}
		}
	}
}

// synchroniseLocal hands on the latest values, after every local change that
// was stored before they were read.
func (w *watcher) synchroniseLocal(ctx context.Context, local *fanout.Listener) error {
	acquired := make(chan error, 1)
	go func() { acquired <- w.store.local.gate.Acquire(ctx, wholeGate) }()
	var before []store.Change
	for held := false; !held; {
		select {
		case c := <-local.Changes(): // a save may wait for room before it ends
			before = append(before, c)
		case err := <-acquired:
			if err != nil {
				return err
			}
			held = true
		}
	}
	before = append(before, waiting(local)...)
	latest, err := w.store.snapshot(ctx)
	w.store.local.gate.Release(wholeGate)
	if err := w.handOnAll(ctx, before); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	return w.handOnSnapshot(ctx, latest)
}

// waiting takes the changes that wait at the moment.
func waiting(local *fanout.Listener) (changes []store.Change) {
	for {
		select {
		case c := <-local.Changes():
			changes = append(changes, c)
		default:
			return changes
		}
	}
}

func (w *watcher) handOnAll(ctx context.Context, changes []store.Change) error {
	for _, c := range changes {
		if err := w.handOn(ctx, c); err != nil {
			return err
		}
	}
	return nil
}
