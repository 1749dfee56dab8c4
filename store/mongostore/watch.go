package mongostore

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/devops-insights/devops-insights/store"
)

// Mode says how changes are followed at the moment.
type Mode struct {
	// Following is "change stream" (the changes of every writer) or "own
	// changes" (those of this process alone).
	Following string
	// Why is the reason for "own changes"; empty for a change stream.
	Why string
}

// The ways to follow changes.
const (
	ChangeStream = "change stream"
	OwnChanges   = "own changes"
)

// Mode returns how changes are followed at the moment.
func (s *Store) Mode() Mode {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mode
}

func (s *Store) setMode(m Mode) {
	s.mu.Lock()
	changed := s.mode != m
	s.mode = m
	s.mu.Unlock()
	if !changed {
		return
	}
	line := s.opts.Logger.WithField("following", m.Following)
	if m.Why != "" {
		line.Warn("changes of other writers are not seen: " + m.Why)
		return
	}
	line.Info("changes are followed")
}

// Watch implements store.Feed. Where the deployment has change streams, the
// changes of every writer are announced; what a broken stream has missed is
// made up for when it is open again. Elsewhere the changes of this process
// are, until there is a stream.
func (s *Store) Watch(ctx context.Context, ready func(), handle func(context.Context, store.Change) error) error {
	if s.closed() {
		return store.ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	w := &watcher{store: s, ready: ready, handle: handle, needsSnapshot: true, handed: make(map[region]string)}
	w.requests.wake = make(chan struct{}, 1)
	s.mu.Lock()
	s.watchers[w] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.watchers, w)
		s.mu.Unlock()
		w.requests.end()
	}()
	err := w.run(ctx)
	if s.closed() {
		return store.ErrClosed
	}
	return err
}

// region is the key of one in maps.
type region struct{ api, source string }

// watcher is one Watch.
type watcher struct {
	store    *Store
	ready    func()
	handle   func(context.Context, store.Change) error
	requests requests

	token         bson.Raw            // where the stream continues
	startAfter    bool                // the token is of an invalidate event
	needsSnapshot bool                // changes may have been missed: a snapshot is due
	handed        map[region]string   // the hash of what was handed on last
	superseded    map[region]struct{} // regions with an event since the snapshot was begun
	heard         time.Time           // when the stream last said something, or all was well
	reason        string              // of the last line of the log about a stream that broke
	said          time.Time           // when that was
	opening       bool                // what comes is the answer to the opening
}

// handlerError is an error of the caller's own function: it ends the Watch.
type handlerError struct{ error }

func (w *watcher) run(ctx context.Context) error {
	wait := time.Duration(0)
	for {
		opened, err := w.follow(ctx)
		if !opened && unsupported(err) {
			w.store.setMode(Mode{OwnChanges, "the database has no change streams (" + err.Error() + ")"})
			w.token, w.needsSnapshot = nil, true
			w.store.streaming.end(nil)
			opened, err = w.followLocal(ctx)
		}
		if own := (handlerError{}); errors.As(err, &own) {
			return own.error
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w.brokeOff(err)
		w.store.streaming.end(Cause(err, w.store.opts.URL))
		if opened {
			wait = 0
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
		wait = min(max(2*wait, 100*time.Millisecond), maxWait)
	}
}

// maxWait bounds the pause between two attempts to follow the changes.
const maxWait = 2 * time.Second

// brokeOff decides how to go on after an error; nil is none.
func (w *watcher) brokeOff(err error) {
	if err == nil {
		return
	}
	line := w.store.opts.Logger.WithError(err)
	if historyLost(err) {
		w.token, w.needsSnapshot = nil, true
		w.store.streaming.gap(GapHistoryLost)
		line.Warn("the change stream has lost its place: the latest values are read again")
	} else if now := time.Now(); err.Error() != w.reason || now.Sub(w.said) >= time.Minute {
		w.reason, w.said = err.Error(), now
		line.Warn("the changes cannot be followed at the moment; it is tried again")
	}
	w.requests.answer(w.requests.take(), err)
}

// pause waits up to d, a random part of it, so that instances do not come back
// as one.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// handOn gives one change to the caller's function.
func (w *watcher) handOn(ctx context.Context, c store.Change) error {
	at := region{c.API, c.Source}
	w.handed[at] = c.Hash
	if w.superseded != nil && !c.Snapshot {
		w.superseded[at] = struct{}{}
	}
	if err := w.handle(ctx, c); err != nil {
		return handlerError{err}
	}
	return nil
}

// handOnSnapshot hands on the latest values of the regions that no change has
// skip, and says that the Watch is up to date.
func (w *watcher) handOnSnapshot(ctx context.Context, latest []store.Metric) error {
	for _, m := range latest {
		w.store.streaming.brought(region{m.API, m.Source})
		if _, skip := w.superseded[region{m.API, m.Source}]; skip {
			continue
		}
		if err := w.handOn(ctx, store.Change{Metric: m, Snapshot: true}); err != nil {
			return err
		}
	}
	w.superseded, w.needsSnapshot = nil, false
	if w.ready != nil {
		w.ready()
		w.ready = nil
	}
	return ctx.Err()
}
