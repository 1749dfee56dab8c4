package engine

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
)

const (
	// minPause and maxPause are the times after a failure until the next try.
	minPause, maxPause = 500 * time.Millisecond, 8 * time.Second
	// maxLedger bounds the ledger's text, in bytes.
	maxLedger = store.MaxLedger
)

// call bounds one call of the store.
func (t *term) call(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, t.e.opts.Timeout)
	defer cancel()
	return do(ctx)
}

func (t *term) read(ctx context.Context) (l store.Ledger, err error) {
	err = t.call(ctx, func(ctx context.Context) (err error) {
		l, err = t.e.opts.Store.Ledger(ctx, t.e.opts.API)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return store.Ledger{}, nil
	}
	return l, err
}

// put writes a state behind the version that is in the store.
func (t *term) put(ctx context.Context, s *state, version int64, now moment) error {
	s.Writer, s.At, s.Failures = t.writer, now.wall, t.judge.failures()
	data, err := s.encode()
	for err == nil && len(data) > maxLedger && s.shrink(now.wall) {
		data, err = s.encode()
	}
	if err != nil {
		return err
	}
	return t.call(ctx, func(ctx context.Context) error {
		return t.e.opts.Store.PutLedger(ctx, store.Ledger{API: t.e.opts.API, Term: t.number, Version: version, Data: data})
	})
}

// takeOver reads the ledger and writes it again under this term: the writer before
// cannot change anything any more. Nothing is decided or sent before.
func (t *term) takeOver(ctx context.Context, now moment) bool {
	if now.passed < t.retry || !t.e.opts.MayStore() {
		return false
	}
	s, version, err := t.takeLedger(ctx, now)
	if errors.Is(err, store.ErrConflict) { // the writer before was not done yet, or this was its last
		s, version, err = t.takeLedger(ctx, now)
	}
	if err != nil {
		t.failed(ctx, err, now)
		return false
	}
	t.state, t.version = s, version
	t.committed(now)
	return true
}

func (t *term) takeLedger(ctx context.Context, now moment) (s *state, version int64, err error) {
	l, err := t.read(ctx)
	if err != nil {
		return nil, 0, err
	}
	if s, err = decode(l.Data); err != nil {
		return nil, 0, err
	}
	s.resume(now.wall)
	t.judge.resume(s.Failures)
	return s, l.Version + 1, t.put(ctx, s, l.Version+1, now)
}

// refresh is how often a ledger is written again whose alerts depend on how much
// time passes: no more than that is lost where the wall clock is set back and the
// process ends.
const refresh = time.Minute

// commit writes the state if it has changed.
func (t *term) commit(ctx context.Context, now moment) {
	if t.state.ages() && now.wall.Sub(t.state.At) >= refresh {
		t.state.dirty = true
	}
	if !t.state.dirty || now.passed < t.retry || !t.e.opts.MayStore() {
		return
	}
	err := t.put(ctx, t.state, t.version+1, now)
	if errors.Is(err, store.ErrConflict) {
		if err = t.reconcile(ctx); err == nil {
			if t.state == nil {
				return
			}
			err = t.put(ctx, t.state, t.version+1, now)
		}
	}
	if err != nil {
		t.failed(ctx, err, now)
		return
	}
	t.version++
	t.committed(now)
}

// reconcile learns who has written what this term has not seen: it was this term
// itself, of which the answer was lost, and then it goes on behind that. Else it
// has to take over again.
func (t *term) reconcile(ctx context.Context) error {
	l, err := t.read(ctx)
	if err != nil {
		return err
	}
	var written struct {
		Writer string `json:"writer"`
	}
	if json.Unmarshal(l.Data, &written) == nil && written.Writer == t.writer {
		t.version = l.Version
		return nil
	}
	t.forget()
	signal(t.e.due)
	return nil
}

// forget forgets what the term holds of the ledger.
func (t *term) forget() {
	t.state, t.version = nil, 0
	t.e.publish(nil)
}

// committed takes that the state is in the store.
func (t *term) committed(now moment) {
	t.state.dirty = false
	t.logTurned()
	t.retry, t.pause = 0, 0
	t.e.publish(t.state)
	if since := t.e.setFailing(time.Time{}); !since.IsZero() {
		t.log.WithField("duration_ms", now.wall.Sub(since).Milliseconds()).Info("the ledger of alerts is written again")
	}
	t.e.opts.OnChange()
}

// failed takes an error of the store.
func (t *term) failed(ctx context.Context, err error, now moment) {
	if errors.Is(err, store.ErrFenced) {
		t.fenced = true
		t.forget()
		t.e.setFailing(time.Time{})
		t.log.Warn("alerts are another instance's to decide: what was not written is given up")
		return
	}
	t.pause = min(max(2*t.pause, minPause), maxPause)
	t.retry = now.passed + t.pause
	if t.e.Failing().IsZero() && ctx.Err() == nil {
		t.e.setFailing(now.wall)
		t.log.WithError(err).Error("the ledger of alerts cannot be written: messages wait until it can")
	}
}

// setFailing notes since when the ledger cannot be written, and returns what was
// noted before.
func (e *Engine) setFailing(since time.Time) (before time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before, e.failing = e.failing, since
	return before
}

// fewEvents is how many events an incident keeps where the ledger is too large.
const fewEvents = 20

// shrink makes a state smaller that is too large for a store. Nobody waits for
// alerts that are over, and for events of the middle; then the receiver for which
// most messages wait loses half of them. It reports whether there was anything to
// lose.
func (s *state) shrink(now time.Time) bool {
	for _, e := range s.Alerts {
		if e.State == alert.Resolved {
			s.remove(e)
			return true
		}
	}
	for _, e := range s.Alerts {
		if more := len(e.Events) - fewEvents; more > 0 {
			e.Events = slices.Delete(e.Events, 3, 3+more)
			return true
		}
	}
	waiting := make(map[string]int)
	most := ""
	for _, m := range s.Outbox {
		waiting[m.Receiver]++
		if n := waiting[m.Receiver]; n > waiting[most] || n == waiting[most] && m.Receiver < most {
			most = m.Receiver
		}
	}
	if waiting[most] == 0 {
		return false
	}
	s.limit(now, most, waiting[most]/2)
	return true
}
