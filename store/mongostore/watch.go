package mongostore

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

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
	go func() { // ends with ctx
		select {
		case <-s.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	w := &watcher{store: s, ready: ready, handle: handle, seen: make(map[string]mark)}
	err := w.run(ctx)
	if s.closed() {
		return store.ErrClosed
	}
	return err
}

// watcher is one Watch.
type watcher struct {
	store  *Store
	ready  func()
	handle func(context.Context, store.Change) error

	token  bson.Raw        // where the stream continues
	after  bool            // the token is of an invalidate event
	resync bool            // what was missed is not known to the stream
	seen   map[string]mark // by region, what was handled last
	ahead  map[string]mark // by region, what a resync has handled before the stream
	heard  time.Time       // when the stream last said something, or all was well
}

// mark identifies a version of a region.
type mark struct {
	at   time.Time
	hash string
}

// region is the key of one in the maps of a watcher.
func region(api, source string) string { return api + "\x00" + source }

// handlerError is an error of the caller's own function: it ends the Watch.
type handlerError struct{ error }

func (w *watcher) run(ctx context.Context) error {
	wait := time.Duration(0)
	for {
		opened, err := w.follow(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		own := handlerError{}
		if errors.As(err, &own) {
			return own.error
		}
		switch {
		case unsupported(err):
			w.store.setMode(Mode{OwnChanges, "the database has no change streams (" + err.Error() + ")"})
			if err := w.followOwn(ctx); err != nil {
				if errors.As(err, &own) {
					return own.error
				}
				return err
			}
			w.token, w.resync = nil, true
			continue
		case historyLost(err):
			w.token, w.resync = nil, true
			w.store.opts.Logger.WithError(err).Warn("the change stream has lost its place: the latest values are compared")
		case err != nil:
			w.store.opts.Logger.WithError(err).Warn("the change stream broke off and is opened again")
		}
		if opened {
			wait = 0
			w.resync = w.resync || w.token == nil
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
		wait = min(max(2*wait, 100*time.Millisecond), 10*time.Second)
	}
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

// event is what is read of a change event.
type event struct {
	Operation string    `bson:"operationType"`
	Full      *document `bson:"fullDocument"`
	Update    struct {
		Fields struct {
			Data      bson.RawValue `bson:"data"`
			Hash      string        `bson:"hash"`
			UpdatedAt time.Time     `bson:"updatedAt"`
		} `bson:"updatedFields"`
	} `bson:"updateDescription"`
}

// follow opens the stream and hands its events on until it breaks.
func (w *watcher) follow(ctx context.Context) (opened bool, err error) {
	stream, err := w.open(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = stream.Close(context.WithoutCancel(ctx)) }()
	if w.token == nil {
		w.token = stream.ResumeToken()
	}
	w.store.setMode(Mode{Following: ChangeStream})
	if w.ready != nil {
		w.ready()
		w.ready = nil
	}
	w.heard = time.Now()
	if w.resync {
		if err := w.catchUp(ctx); err != nil {
			return true, err
		}
		w.resync = false
	}
	for {
		if w.next(ctx, stream) {
			var e event
			if err := stream.Decode(&e); err != nil {
				w.store.opts.Logger.WithError(err).Warn("a change event could not be read and is left out")
			} else if err := w.take(ctx, e); err != nil {
				return true, err
			}
			w.token, w.heard = stream.ResumeToken(), time.Now()
			if e.Operation == "invalidate" {
				w.after, w.resync = true, true
				return true, errors.New("the collection was dropped or renamed")
			}
			continue
		}
		if err := stream.Err(); err != nil {
			return true, err
		}
		if stream.ID() == 0 {
			return true, errors.New("the server closed the change stream")
		}
		if token := stream.ResumeToken(); token != nil {
			w.token = token
		}
		if err := w.watchdog(ctx); err != nil {
			return true, err
		}
	}
}

// next asks for one event. A connection that is silent without being closed
// would keep it waiting for ever; the server itself answers within MaxAwait.
func (w *watcher) next(ctx context.Context, stream *mongo.ChangeStream) bool {
	ctx, cancel := context.WithTimeout(ctx, w.store.opts.MaxAwait+w.store.opts.Silence)
	defer cancel()
	return stream.TryNext(ctx)
}

func (w *watcher) open(ctx context.Context) (*mongo.ChangeStream, error) {
	pipeline := mongo.Pipeline{bson.D{{Key: "$match", Value: bson.D{{Key: "operationType", Value: bson.D{
		{Key: "$in", Value: bson.A{"insert", "update", "replace", "invalidate"}},
	}}}}}}
	o := options.ChangeStream().SetFullDocument(options.UpdateLookup).SetMaxAwaitTime(w.store.opts.MaxAwait)
	switch {
	case w.token != nil && w.after:
		o.SetStartAfter(w.token)
	case w.token != nil:
		o.SetResumeAfter(w.token)
	}
	stream, err := w.store.latest.Watch(ctx, pipeline, o)
	if err != nil && w.token != nil && w.after {
		w.token = nil // a server that cannot start after an invalidate starts from now
	}
	w.after = false
	return stream, err
}

// take hands one event on. An update carries the new fields itself: the full
// document is looked up later and may be a later version already.
func (w *watcher) take(ctx context.Context, e event) error {
	d := e.Full
	if d == nil || d.API == "" {
		return nil // deleted since, or not a document of ours
	}
	if f := e.Update.Fields; e.Operation == "update" {
		if f.Hash == "" || f.Data.Type == 0 {
			return nil // something else about it was changed
		}
		d.Data, d.Hash = f.Data, f.Hash
		if !f.UpdatedAt.IsZero() {
			d.UpdatedAt = f.UpdatedAt
		}
	}
	m := d.metric()
	key := region(m.API, m.Source)
	if ahead, ok := w.ahead[key]; ok {
		if !m.UpdatedAt.After(ahead.at) {
			return nil // the resync has handled this one or a later one
		}
		delete(w.ahead, key)
	}
	return w.emit(ctx, m)
}

func (w *watcher) emit(ctx context.Context, m store.Metric) error {
	w.seen[region(m.API, m.Source)] = mark{m.UpdatedAt, m.Hash}
	if err := w.handle(ctx, store.Change{Metric: m}); err != nil {
		return handlerError{err}
	}
	return nil
}

// catchUp emits the latest values that differ from what was handled last. The
// stream is open already: what it says about them again is left out.
func (w *watcher) catchUp(ctx context.Context) error {
	documents, err := w.store.query(ctx, w.store.latest, bson.D{}, options.Find())
	if err != nil {
		return err
	}
	w.ahead = make(map[string]mark)
	for _, m := range metrics(documents) {
		key := region(m.API, m.Source)
		now := mark{m.UpdatedAt, m.Hash}
		w.ahead[key] = now
		if w.seen[key] == now {
			continue
		}
		if err := w.emit(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// errSilent is a stream that says nothing about a write that is there.
var errSilent = errors.New("the change stream is silent about a write that the database shows")

// watchdog compares, when the stream has been silent for long, the newest
// write with the last event.
func (w *watcher) watchdog(ctx context.Context) error {
	if time.Since(w.heard) < w.store.opts.Silence {
		return nil
	}
	documents, err := w.store.query(ctx, w.store.latest, bson.D{},
		options.Find().SetProjection(bson.D{{Key: "data", Value: 0}}))
	if err != nil {
		return err
	}
	silent := w.heard
	w.heard = time.Now()
	for _, d := range documents {
		last, known := w.seen[region(d.API, d.Source)]
		if known && last.hash != d.Hash || !known && d.UpdatedAt.After(silent) {
			w.token, w.resync = nil, true
			return errSilent
		}
	}
	return nil
}

// followOwn hands on this process's changes until a stream can be opened.
func (w *watcher) followOwn(ctx context.Context) error {
	changes, leave := w.store.own.listen()
	defer leave()
	if w.ready != nil {
		w.ready()
		w.ready = nil
	}
	retry := time.NewTicker(w.store.opts.Retry)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-changes:
			if err := w.emit(ctx, c.Metric); err != nil {
				return err
			}
		case <-retry.C:
			stream, err := w.open(ctx)
			if err == nil {
				_ = stream.Close(ctx)
				return nil
			}
		}
	}
}
