package quiet

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
)

// The bounds of what people write, in bytes, and of how much of it is kept.
const (
	maxWho     = 100
	maxComment = 1000
	maxTitle   = 200
	// maxText bounds all texts of one record together.
	maxText = 6 << 10
	// maxLive is how many silences, or windows, of one API are not over.
	maxLive = 500
	// attempts is how often a write is tried where somebody else was first.
	attempts = 5
)

// Who is the person that writes.
type Who struct {
	// Name is what they say of themselves.
	Name string
	// Address is where they are, and RequestID names the request; both are for the
	// log.
	Address, RequestID string
}

func (w Who) check() error { return checkText("the name of who does this", w.Name, 1, maxWho) }

func checkText(what, text string, least, most int) error {
	if len(text) < least || len(text) > most || !isText(strings.NewReplacer("\n", "", "\t", "").Replace(text)) {
		return refuse("%s must be text of %d to %d bytes", what, least, most)
	}
	return nil
}

// idForm is what an id that a person gives looks like.
var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$`)

func checkID(id string) error {
	if id != "" && !idForm.MatchString(id) {
		return refuse("the id %.40q cannot be used: 1 to 100 letters, digits, dots, colons, dashes and underscores are allowed, with a letter or digit first", id)
	}
	return nil
}

// newID returns an id that nothing else has.
func newID() string { return strings.ToLower(rand.Text()) }

// fingerprint tells two requests apart.
func fingerprint(request any) string {
	text, err := json.Marshal(request)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// spanOf returns from when to when something is to last: from start, or now, for a
// while or until end, for at most the longest time.
func spanOf(start, end time.Time, lasting, longest time.Duration, now time.Time) (span, error) {
	if start.Before(now) {
		start = now
	}
	switch {
	case end.IsZero() == (lasting == 0):
		return span{}, refuse("either the end or the duration must be given")
	case lasting < 0:
		return span{}, refuse("the duration %s is negative", lasting)
	case lasting > 0:
		end = start.Add(lasting)
	}
	start, end = store.Milliseconds(start), store.Milliseconds(end)
	switch {
	case !end.After(start):
		return span{}, refuse("the end %s is not after the start, or in the past", end.Format(time.RFC3339))
	case end.Sub(start) > longest:
		return span{}, refuse("from start to end it is %s: at most %s are allowed", end.Sub(start).Round(time.Second), days(longest))
	case start.Sub(now) > MaxAhead:
		return span{}, refuse("the start %s is more than %s ahead", start.Format(time.RFC3339), days(MaxAhead))
	}
	return span{start, end}, nil
}

// room returns an error where no more records of a kind are kept of an API.
func (q *Quiet) room(kind store.RecordKind, api string, now time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	all, live := 0, 0
	for at, e := range q.entries {
		if at.kind != kind {
			continue
		}
		all++
		if at.api == api && (e.silence != nil && e.silence.EndsAt.After(now) || e.window != nil && e.window.EndsAt.After(now)) {
			live++
		}
	}
	if live >= maxLive || all >= maxKnown {
		return fmt.Errorf("%w: %d that are not over are kept of one API, and %d of all, with those that were ended before their time; end some, or wait", ErrFull, maxLive, maxKnown)
	}
	return nil
}

// create stores what is new, or finds what the same request has stored before.
func (q *Quiet) create(ctx context.Context, at place, given bool, request string, s span, text any) (e *entry, created bool, err error) {
	err = q.atStore(ctx, func(ctx context.Context) error {
		for range attempts {
			if given {
				if e, err = q.find(ctx, at); err != nil {
					return err
				}
				if e != nil && e.request != request {
					return fmt.Errorf("%w: %q is the id of a %s that was asked for otherwise", ErrTaken, at.id, at.kind)
				}
				if e != nil {
					q.add(e)
					return nil
				}
			}
			if err := q.room(at.kind, at.api, q.opts.Now()); err != nil {
				return err
			}
			e, err = q.put(ctx, at, s.end, 1, text)
			if created = err == nil; created || !errors.Is(err, store.ErrConflict) {
				return err
			}
		}
		return err
	})
	return e, created, err
}

// change writes the next version of a record. make returns its text, nil where it
// is as it should be already, and gets nil where there is no record; when is the
// time of a new one.
func (q *Quiet) change(ctx context.Context, at place, when time.Time, text func(*entry) (any, error)) (e *entry, changed bool, err error) {
	err = q.atStore(ctx, func(ctx context.Context) error {
		for range attempts {
			found, err := q.find(ctx, at)
			if err != nil {
				return err
			}
			next, err := text(found)
			if err != nil || next == nil {
				e = found
				return err
			}
			version := int64(1)
			if found != nil {
				version, when = found.version+1, found.at
			}
			e, err = q.put(ctx, at, when, version, next)
			if changed = err == nil; changed || !errors.Is(err, store.ErrConflict) {
				return err
			}
		}
		return fmt.Errorf("others changed the %s %s at the same time: %w", at.kind, at.id, store.ErrConflict)
	})
	return e, changed, err
}

// audit logs what came of a write.
func (q *Quiet) audit(action string, at place, who Who, result string, err error) {
	line := q.opts.Logger.WithFields(logrus.Fields{
		"audit": true, "action": action, "who": shorten(who.Name), "address": who.Address, "request_id": who.RequestID, "api": at.api, "id": shorten(at.id),
	})
	var refused *Refused
	switch {
	case err == nil:
		line.WithField("result", result).Info(string(at.kind) + ": written, or there already")
	case errors.As(err, &refused) || errors.Is(err, ErrTaken) || errors.Is(err, ErrFull) || errors.Is(err, ErrSettings) || errors.Is(err, store.ErrNotFound):
		line.WithField("result", "refused").WithField("reason", err.Error()).Info(string(at.kind) + ": not written")
	default:
		line.WithField("result", "failed").WithError(err).Warn(string(at.kind) + ": could not be written")
	}
}

// shorten bounds what somebody says that has not been checked.
func shorten(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxWho)], "") }

// outcome is the result of a write in a word.
func outcome(done bool, word string) string {
	if done {
		return word
	}
	return "unchanged"
}
