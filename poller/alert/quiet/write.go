package quiet

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
)

// ErrUnknown is returned for a silence or a window that does not exist, and
// ErrOver for one that has ended already.
var (
	ErrUnknown = errors.New("it does not exist")
	ErrOver    = errors.New("it has ended already")
)

// Refusal is what is wrong with what somebody wants, in a sentence.
type Refusal struct{ Sentence string }

// Error returns the sentence.
func (r *Refusal) Error() string { return r.Sentence }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

const (
	// most bounds the silences, and the windows, of an API that have not ended.
	most = 500
	// maxSilence bounds how long a silence lasts.
	maxSilence = 366 * 24 * time.Hour
)

var idPattern = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,80}$`)

// identify returns the id that was given, or a new one.
func identify(id string) (string, error) {
	if id == "" {
		return strings.ToLower(rand.Text()[:16]), nil
	}
	if !idPattern.MatchString(id) {
		return "", refuse("this is no id: up to 80 letters, digits, and _ . : - are allowed")
	}
	return id, nil
}

// person checks who speaks, and what they say.
func person(who, by, comment string, commentNeeded bool) error {
	switch {
	case strings.TrimSpace(by) == "" || len(by) > maxName || !utf8.ValidString(by):
		return refuse("%s is needed: the name of who wants it, up to %d bytes", who, maxName)
	case commentNeeded && strings.TrimSpace(comment) == "":
		return refuse("comment is needed: a few words on why")
	case len(comment) > maxText || !utf8.ValidString(comment):
		return refuse("comment is longer than %d bytes, or no valid UTF-8", maxText)
	}
	return nil
}

// put stores a record and makes it known here at once.
func (q *Quiet) put(ctx context.Context, kind store.RecordKind, api, id string, at time.Time, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	r := store.Record{Kind: kind, API: api, ID: id, At: store.Milliseconds(at), Version: 1, Data: text}
	ctx, cancel := context.WithTimeout(ctx, q.opts.Timeout)
	defer cancel()
	if err := q.opts.Store.PutRecord(ctx, r); err != nil {
		return err
	}
	q.mu.Lock()
	q.take(r)
	q.mu.Unlock()
	q.signal()
	return nil
}

// AddSilence makes a silence and returns it with its ID and times. StartsAt may be
// zero: now. One that is there with this ID is returned as it is, so that a
// request can be repeated. What is wrong with it is a *Refusal.
func (q *Quiet) AddSilence(ctx context.Context, s alert.Silence) (alert.Silence, error) {
	q.writing.Lock()
	defer q.writing.Unlock()
	now := store.Milliseconds(q.opts.Now())
	if err := q.checkAPI(s.API); err != nil {
		return s, err
	}
	id, err := identify(s.ID)
	if err != nil {
		return s, err
	}
	q.mu.Lock()
	there, known := q.silences[id]
	open := 0
	for _, one := range q.silences {
		if one.API == s.API && one.EndsAt.After(now) {
			open++
		}
	}
	q.mu.Unlock()
	if known && there.API == s.API {
		return there.Silence, nil
	}
	if _, err := newMatchers(s.Matchers); err != nil {
		return s, &Refusal{err.Error()}
	}
	if s.StartsAt.IsZero() {
		s.StartsAt = now
	}
	s.ID, s.CreatedAt, s.EndedBy = id, now, ""
	s.StartsAt, s.EndsAt = store.Milliseconds(s.StartsAt), store.Milliseconds(s.EndsAt)
	switch {
	case !s.EndsAt.After(s.StartsAt) || !s.EndsAt.After(now):
		return s, refuse("endsAt is needed, after startsAt and after now")
	case s.EndsAt.Sub(now) > maxSilence:
		return s, refuse("endsAt is too late: a silence lasts at most %s", days(maxSilence))
	case open >= most:
		return s, refuse("there are %d silences already that have not ended: end some of them first", most)
	}
	if err := person("createdBy", s.CreatedBy, s.Comment, true); err != nil {
		return s, err
	}
	err = q.put(ctx, store.RecordSilence, s.API, s.ID, now, s)
	if errors.Is(err, store.ErrConflict) { // made on another instance just now
		q.refresh(ctx)
		q.mu.Lock()
		defer q.mu.Unlock()
		if there, known := q.silences[id]; known && there.API == s.API {
			return there.Silence, nil
		}
	}
	return s, err
}

// EndSilence ends a silence at once. One that is not known is ErrUnknown, one that
// has ended is ErrOver.
func (q *Quiet) EndSilence(ctx context.Context, api, id, by string) error {
	q.writing.Lock()
	defer q.writing.Unlock()
	now := store.Milliseconds(q.opts.Now())
	if err := person("by", by, "", false); err != nil {
		return err
	}
	q.mu.Lock()
	s, known := q.silences[id]
	q.mu.Unlock()
	switch {
	case !known || s.API != api:
		return ErrUnknown
	case !s.EndsAt.After(now):
		return ErrOver
	}
	return q.put(ctx, store.RecordSilence, api, id+"~end", now, ending{id, by, now})
}

// Acknowledge notes that somebody has taken an incident on, once more where
// somebody has before: the last word counts.
func (q *Quiet) Acknowledge(ctx context.Context, api, incident, by, comment string) (alert.Ack, error) {
	q.writing.Lock()
	defer q.writing.Unlock()
	ack := alert.Ack{By: by, Comment: comment, At: store.Milliseconds(q.opts.Now())}
	if err := q.checkAPI(api); err != nil {
		return ack, err
	}
	if err := person("by", by, comment, false); err != nil {
		return ack, err
	}
	if !idPattern.MatchString(incident) {
		return ack, refuse("this is no incident")
	}
	id := fmt.Sprintf("%s~%d", incident, ack.At.UnixMilli())
	err := q.put(ctx, store.RecordAck, api, id, ack.At, acknowledgement{incident, ack})
	if errors.Is(err, store.ErrConflict) {
		err = nil // somebody said the same in this millisecond
	}
	return ack, err
}

// AddWindow plans a window of maintenance and returns it with its ID and times.
// StartsAt may be zero: now; AnnounceAt too: at once. One that is there with this
// ID is returned as it is. What is wrong with it is a *Refusal.
func (q *Quiet) AddWindow(ctx context.Context, w alert.Window) (alert.Window, error) {
	q.writing.Lock()
	defer q.writing.Unlock()
	now := store.Milliseconds(q.opts.Now())
	if err := q.checkAPI(w.API); err != nil {
		return w, err
	}
	id, err := identify(w.ID)
	if err != nil {
		return w, err
	}
	q.mu.Lock()
	there, known := q.windows[id]
	open := 0
	for _, one := range q.windows {
		if one.API == w.API && one.EndsAt.After(now) {
			open++
		}
	}
	planned := slices.ContainsFunc(q.planned, func(p Planned) bool { return p.Name == id })
	q.mu.Unlock()
	if known && there.API == w.API {
		there.State = stateOf(there, now)
		return there, nil
	}
	if w.StartsAt.IsZero() {
		w.StartsAt = now
	}
	if w.AnnounceAt.IsZero() {
		w.AnnounceAt = now
	}
	w.ID, w.Settings = id, false
	w.StartsAt, w.EndsAt, w.AnnounceAt = store.Milliseconds(w.StartsAt), store.Milliseconds(w.EndsAt), store.Milliseconds(w.AnnounceAt)
	w.State = stateOf(w, now)
	if err := checkTimes(w.StartsAt, w.EndsAt); err != nil {
		return w, &Refusal{"the window cannot be: " + err.Error()}
	}
	switch {
	case planned:
		return w, refuse("a window of the settings has this id")
	case !w.EndsAt.After(now):
		return w, refuse("endsAt is needed, and has to be after now")
	case w.StartsAt.Sub(now) > maxSilence:
		return w, refuse("startsAt is too late: at most %s ahead", days(maxSilence))
	case w.AnnounceAt.After(w.StartsAt):
		return w, refuse("announceAt is after startsAt")
	case len(w.Title) > maxName || !utf8.ValidString(w.Title):
		return w, refuse("title is longer than %d bytes, or no valid UTF-8", maxName)
	case open >= most:
		return w, refuse("there are %d windows already that have not ended: end some of them first", most)
	}
	if err := q.checkRegions(w.API, w.Regions); err != nil {
		return w, err
	}
	if err := person("createdBy", w.CreatedBy, w.Comment, false); err != nil {
		return w, err
	}
	err = q.put(ctx, store.RecordMaintenance, w.API, w.ID, now, w)
	if errors.Is(err, store.ErrConflict) { // made on another instance just now
		q.refresh(ctx)
		q.mu.Lock()
		defer q.mu.Unlock()
		if there, known := q.windows[id]; known && there.API == w.API {
			return there, nil
		}
	}
	return w, err
}

// EndWindow ends a window that people have planned, or calls it off. One of the
// settings is a *Refusal.
func (q *Quiet) EndWindow(ctx context.Context, api, id, by string) error {
	q.writing.Lock()
	defer q.writing.Unlock()
	now := store.Milliseconds(q.opts.Now())
	if err := person("by", by, "", false); err != nil {
		return err
	}
	q.mu.Lock()
	w, known := q.windows[id]
	planned := slices.ContainsFunc(q.planned, func(p Planned) bool { return p.Name == id })
	q.mu.Unlock()
	switch {
	case planned:
		return refuse("this window stands in the settings: change it there")
	case !known || w.API != api:
		return ErrUnknown
	case !w.EndsAt.After(now):
		return ErrOver
	}
	return q.put(ctx, store.RecordMaintenance, api, id+"~end", now, ending{id, by, now})
}

func (q *Quiet) checkAPI(api string) error {
	var names []string
	for _, one := range q.opts.Catalog() {
		if one.Name == api {
			return nil
		}
		names = append(names, one.Name)
	}
	return refuse("api is unknown: %s can be named", strings.Join(names, ", "))
}

func (q *Quiet) checkRegions(api string, regions []string) error {
	for _, one := range q.opts.Catalog() {
		if one.Name != api {
			continue
		}
		for _, name := range regions {
			if !slices.ContainsFunc(one.Regions, func(r store.Region) bool { return r.Name == name }) {
				return refuse("a region of regions is unknown")
			}
		}
	}
	return nil
}
