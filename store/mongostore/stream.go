package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/devops-insights/devops-insights/store"
)

// openTimeout and closeTimeout bound what is asked of the server to open and to
// close a stream: a connection may be silent without being closed.
const (
	openTimeout  = 5 * time.Second
	closeTimeout = time.Second
)

// follow opens the stream and hands its events on until it breaks.
func (w *watcher) follow(ctx context.Context) (opened bool, err error) {
	// One session for the stream and the reading of the latest values: what is
	// read is then never older than what the stream has shown.
	if session, err := w.store.client.StartSession(); err == nil {
		defer session.EndSession(context.WithoutCancel(ctx))
		ctx = mongo.NewSessionContext(ctx, session)
	}
	bounded, cancel := context.WithTimeout(ctx, openTimeout)
	stream, err := w.open(bounded)
	cancel()
	if err != nil {
		return false, err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = stream.Close(closing)
	}()
	if w.token == nil {
		w.token, w.needsSnapshot = stream.ResumeToken(), true
	}
	w.store.setMode(Mode{Following: ChangeStream})
	w.store.streaming.open()
	w.heard = time.Now()
	// The first answer is that of the opening, not one of the stream.
	w.opening = true
	for more := true; more; {
		if more, err = w.next(ctx, stream); err != nil {
			return true, err
		}
	}
	w.opening = false
	for {
		if asked := w.requests.take(); w.needsSnapshot || len(asked) > 0 {
			err := w.synchronise(ctx, stream)
			w.requests.answer(asked, err)
			if err != nil {
				return true, err
			}
		}
		more, err := w.next(ctx, stream)
		if err != nil {
			return true, err
		}
		if !more {
			if err := w.watchdog(ctx, func() error { return w.drain(ctx, stream) }); err != nil {
				return true, err
			}
		}
	}
}

func (w *watcher) open(ctx context.Context) (*mongo.ChangeStream, error) {
	pipeline := mongo.Pipeline{bson.D{{Key: "$match", Value: bson.D{{Key: "operationType", Value: bson.D{
		{Key: "$in", Value: bson.A{"insert", "update", "replace", "invalidate"}},
	}}}}}}
	o := options.ChangeStream().SetFullDocument(options.UpdateLookup).SetMaxAwaitTime(w.store.opts.MaxAwait)
	switch {
	case w.token != nil && w.startAfter:
		o.SetStartAfter(w.token)
	case w.token != nil:
		o.SetResumeAfter(w.token)
	}
	stream, err := w.store.latest.Watch(ctx, pipeline, o)
	if err != nil && w.token != nil && w.startAfter {
		w.token = nil // a server that cannot start after an invalidate starts from now
	}
	w.startAfter = false
	return stream, err
}

// next hands on one event; more is false when the stream has none at the
// moment. A connection that is silent without being closed would keep it
// waiting for ever; the server itself answers within MaxAwait.
func (w *watcher) next(ctx context.Context, stream *mongo.ChangeStream) (more bool, err error) {
	patience := w.store.opts.MaxAwait + max(w.store.opts.Answer, 3*time.Duration(w.store.took.Load()))
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if !stream.TryNext(bounded) {
		if err := stream.Err(); err != nil {
			if ctx.Err() == nil && bounded.Err() != nil {
				return false, errNoAnswer(patience)
			}
			return false, err
		}
		if stream.ID() == 0 {
			return false, errors.New("the server closed the change stream")
		}
		if token := stream.ResumeToken(); token != nil {
			w.token = token
		}
		w.answered()
		return false, nil
	}
	w.answered()
	e := parseEvent(stream.Current)
	if err := w.take(ctx, e); err != nil {
		return false, err
	}
	w.token, w.heard = stream.ResumeToken(), time.Now()
	if e.operation == "invalidate" {
		w.startAfter, w.needsSnapshot = true, true
		w.store.streaming.gap(GapInvalidated)
		return false, errors.New("the collection was dropped or renamed")
	}
	return true, nil
}

// answered notes an answer of the stream.
func (w *watcher) answered() {
	if !w.opening {
		w.store.streaming.answer()
	}
}

// drain hands on the events that there are, until the server has answered
// that there are no more.
func (w *watcher) drain(ctx context.Context, stream *mongo.ChangeStream) error {
	for {
		cursor := stream.ID()
		more, err := w.next(ctx, stream)
		if err != nil {
			return err
		}
		// The driver may have opened the stream again by itself: then this was
		// the answer of the opening.
		if !more && stream.ID() == cursor {
			return nil
		}
	}
}

// take hands one event on, if it is a change.
func (w *watcher) take(ctx context.Context, e event) error {
	m, ok, err := e.metric()
	if err != nil {
		w.store.unreadable.add(w.store.opts.Logger, w.store.latest.Name(), e.id, err)
		return nil
	}
	if !ok {
		return nil
	}
	w.store.streaming.brought(region{m.API, m.Source})
	if w.store.imports.has(m) {
		w.handed[region{m.API, m.Source}] = m.Hash
		return nil
	}
	return w.handOn(ctx, store.Change{Metric: m})
}

// synchronise hands on the latest values. The stream is open already, so that
// every change is in the values that are read, or in an event that comes after
// them, or in both: see the package comment.
func (w *watcher) synchronise(ctx context.Context, stream *mongo.ChangeStream) error {
	w.superseded = make(map[region]struct{})
	latest, err := w.store.snapshot(ctx)
	if err != nil {
		return err
	}
	if err := w.drain(ctx, stream); err != nil {
		return err
	}
	return w.handOnSnapshot(ctx, latest)
}

// errSilent is a stream that says nothing about a write that is there.
var errSilent = errors.New("the change stream is silent about a write that the database shows")

// watchdog compares, when the stream has been silent for long, the stored
// hashes with those that were handed on. A write of this very moment has its
// event after drain; one that has none then never will.
func (w *watcher) watchdog(ctx context.Context, drain func() error) error {
	if time.Since(w.heard) < w.store.opts.Silence {
		return nil
	}
	stored, err := w.store.hashes(ctx)
	if err != nil {
		return err
	}
	w.heard = time.Now()
	missed := make(map[region]string)
	for at, hash := range stored {
		if w.handed[at] != hash {
			missed[at] = w.handed[at]
		}
	}
	if len(missed) == 0 {
		return nil
	}
	if err := drain(); err != nil {
		return err
	}
	for at, before := range missed {
		if w.handed[at] == before {
			w.token, w.needsSnapshot = nil, true
			w.store.streaming.gap(GapSilent)
			return errSilent
		}
	}
	return nil
}
