package quiet

import (
	"context"
	"fmt"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
)

// NewSilence asks for a silence.
type NewSilence struct {
	// ID names it; empty: one is made. With one a request can be sent again: it is
	// the same silence then.
	ID       string
	Matchers []alert.Matcher
	// StartsAt is the time from which on it is there; zero or past: now. It ends at
	// EndsAt or lasts For: one of them must be given.
	StartsAt, EndsAt time.Time
	For              time.Duration
	Comment          string
}

func (n *NewSilence) check(who Who) error {
	if err := who.check(); err != nil {
		return err
	}
	if err := checkID(n.ID); err != nil {
		return err
	}
	if err := checkText("the comment", n.Comment, 0, maxComment); err != nil {
		return err
	}
	if _, err := compileMatchers(n.Matchers); err != nil {
		return err
	}
	size := 0
	for _, m := range n.Matchers {
		size += len(m.Name) + len(m.Value)
	}
	if size > maxText {
		return refuse("the matchers are %d bytes of text: at most %d are allowed", size, maxText)
	}
	return nil
}

// AddSilence stores a silence. created is false where the same request has stored
// it before. An error is a *Refused, ErrTaken, ErrFull, or one of the store.
func (q *Quiet) AddSilence(ctx context.Context, api string, n NewSilence, who Who) (s alert.Silence, created bool, err error) {
	at, given := place{store.RecordSilence, api, n.ID}, n.ID != ""
	if !given {
		at.id = newID()
	}
	defer func() { q.audit("add_silence", at, who, outcome(created, "created"), err) }()
	if err := n.check(who); err != nil {
		return s, false, err
	}
	now := store.Milliseconds(q.opts.Now())
	times, err := spanOf(n.StartsAt, n.EndsAt, n.For, MaxSilence, now)
	request := fingerprint([]any{n, who.Name})
	if err != nil {
		// A request that is repeated may be about a time that is over.
		if e, found := q.before(ctx, at, given, request); found {
			return *e.silence, false, nil
		}
		return s, false, err
	}
	e, created, err := q.create(ctx, at, given, request, times, silenceText{alert.Silence{
		ID: at.id, API: api, Matchers: n.Matchers, StartsAt: times.start, EndsAt: times.end, CreatedBy: who.Name, Comment: n.Comment, CreatedAt: now,
	}, request})
	if err != nil {
		return s, false, err
	}
	return *e.silence, created, nil
}

// before returns what a request has stored before.
func (q *Quiet) before(ctx context.Context, at place, given bool, request string) (e *entry, found bool) {
	if !given {
		return nil, false
	}
	err := q.atStore(ctx, func(ctx context.Context) (err error) {
		e, err = q.find(ctx, at)
		return err
	})
	return e, err == nil && e != nil && e.request == request
}

// EndSilence ends a silence now. One that is over stays as it is. An error is a
// *Refused, store.ErrNotFound, or another one of the store.
func (q *Quiet) EndSilence(ctx context.Context, api, id string, who Who) (s alert.Silence, err error) {
	at, changed := place{store.RecordSilence, api, id}, false
	defer func() { q.audit("end_silence", at, who, outcome(changed, "ended"), err) }()
	if err := who.check(); err != nil {
		return s, err
	}
	if !idForm.MatchString(id) {
		return s, missing(at)
	}
	now := store.Milliseconds(q.opts.Now())
	e, changed, err := q.change(ctx, at, now, func(e *entry) (any, error) {
		switch {
		case e == nil:
			return nil, missing(at)
		case !e.silence.EndsAt.After(now):
			return nil, nil
		}
		next := *e.silence
		next.StartsAt, next.EndsAt, next.EndedBy = earlier(next.StartsAt, now), now, who.Name
		return silenceText{next, e.request}, nil
	})
	if err != nil {
		return s, err
	}
	return *e.silence, nil
}

func missing(at place) error {
	return fmt.Errorf("there is no %s %.60q of %s: %w", at.kind, at.id, at.api, store.ErrNotFound)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Acknowledge notes that somebody has taken an incident on. Who does so last has
// it. An error is a *Refused, or one of the store.
func (q *Quiet) Acknowledge(ctx context.Context, api, incident, comment string, who Who) (ack alert.Ack, err error) {
	at, changed := place{store.RecordAck, api, incident}, false
	defer func() { q.audit("acknowledge", at, who, outcome(changed, "acknowledged"), err) }()
	if err := who.check(); err != nil {
		return ack, err
	}
	if err := checkText("the comment", comment, 0, maxComment); err != nil {
		return ack, err
	}
	now := store.Milliseconds(q.opts.Now())
	e, changed, err := q.change(ctx, at, now, func(e *entry) (any, error) {
		if e != nil && e.ack.By == who.Name && e.ack.Comment == comment {
			return nil, nil
		}
		return alert.Ack{By: who.Name, Comment: comment, At: now}, nil
	})
	if err != nil {
		return ack, err
	}
	return *e.ack, nil
}
