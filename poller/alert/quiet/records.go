package quiet

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
)

// What people say is only ever added: a silence, and later that it has been ended,
// are two records. So what is new is found by its time, whoever wrote it.

const (
	// margin is by how much the clocks of two instances may differ.
	margin = 10 * time.Minute
	// page is how many records are read at once.
	page = 500
	// ackKept is for how long an acknowledgement is known.
	ackKept = 90 * 24 * time.Hour
	// endedKept is for how long a silence or window is shown after its end.
	endedKept = 24 * time.Hour
)

func kinds() []store.RecordKind {
	return []store.RecordKind{store.RecordSilence, store.RecordMaintenance, store.RecordAck}
}

// ending is the record of a silence or a window that was ended before its time.
type ending struct {
	ID string    `json:"ended"`
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// acknowledgement is the record of an acknowledgement.
type acknowledgement struct {
	Incident string `json:"incident"`
	alert.Ack
}

// refresh reads what is new.
func (q *Quiet) refresh(ctx context.Context) {
	var err error
	for _, kind := range kinds() {
		if err = q.readKind(ctx, kind); err != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return
	}
	q.mu.Lock()
	since := q.failing
	switch {
	case err == nil:
		q.failing = time.Time{}
		q.forget(q.opts.Now())
	case since.IsZero():
		q.failing = q.opts.Now()
	}
	q.mu.Unlock()
	switch {
	case err == nil && !since.IsZero():
		q.opts.Logger.Info("silences, acknowledgements and maintenance can be read again")
	case err != nil && since.IsZero():
		q.opts.Logger.WithError(err).Warn("silences, acknowledgements and maintenance cannot be read: what was known stays valid")
	}
}

// readKind takes the records of a kind that are not known yet.
func (q *Quiet) readKind(ctx context.Context, kind store.RecordKind) error {
	q.mu.Lock()
	newest, known := q.read[kind]
	q.mu.Unlock()
	from := newest.Add(-margin)
	if !known {
		from = q.opts.Now().Add(-kept)
		if kind == store.RecordAck {
			from = q.opts.Now().Add(-ackKept)
		}
	}
	query := store.RecordQuery{Kind: kind, From: from, Limit: page}
	var all []store.Record
	for {
		call, cancel := context.WithTimeout(ctx, q.opts.Timeout)
		found, err := q.opts.Store.FindRecords(call, query)
		cancel()
		if err != nil {
			return err
		}
		all = append(all, found...)
		if len(found) < page {
			break
		}
		last := found[page-1]
		query.Before = store.RecordPlace{At: last.At, ID: last.ID}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range slices.Backward(all) { // the oldest first
		q.take(r)
		if r.At.After(newest) {
			newest = r.At
		}
	}
	// A record from the future must not hide those of now.
	if now := q.opts.Now(); newest.After(now) {
		newest = now
	}
	q.read[kind] = newest
	return nil
}

// take adds a record to what is known. q.mu is held. One that cannot be read is
// left out.
func (q *Quiet) take(r store.Record) {
	var end ending
	if json.Unmarshal(r.Data, &end) == nil && end.ID != "" {
		q.end(r.Kind, end)
		return
	}
	switch r.Kind {
	case store.RecordSilence:
		var s alert.Silence
		if json.Unmarshal(r.Data, &s) != nil {
			return
		}
		ready, err := newMatchers(s.Matchers)
		if _, known := q.silences[s.ID]; err == nil && !known {
			q.silences[s.ID] = silence{s, ready}
		}
	case store.RecordMaintenance:
		var w alert.Window
		if json.Unmarshal(r.Data, &w) != nil {
			return
		}
		if _, known := q.windows[w.ID]; !known {
			q.windows[w.ID] = w
		}
	case store.RecordAck:
		var a acknowledgement
		if json.Unmarshal(r.Data, &a) == nil && !a.At.Before(q.acks[a.Incident].At) {
			q.acks[a.Incident] = a.Ack
		}
	}
}

// end ends a silence or a window before its time.
func (q *Quiet) end(kind store.RecordKind, e ending) {
	switch kind {
	case store.RecordSilence:
		if s, known := q.silences[e.ID]; known && s.EndedBy == "" {
			s.EndedBy = e.By
			if e.At.Before(s.EndsAt) {
				s.EndsAt = e.At
			}
			q.silences[e.ID] = s
		}
	case store.RecordMaintenance:
		if w, known := q.windows[e.ID]; known && e.At.Before(w.EndsAt) {
			w.EndsAt = e.At
			q.windows[e.ID] = w
		}
	}
}

// forget drops what has ended long ago. q.mu is held.
func (q *Quiet) forget(now time.Time) {
	// An ending is read again for as long as the margin, with what it ends.
	over := func(end time.Time) bool { return end.Before(now.Add(-endedKept)) }
	maps.DeleteFunc(q.silences, func(_ string, s silence) bool { return over(s.EndsAt) && s.CreatedAt.Before(now.Add(-endedKept)) })
	maps.DeleteFunc(q.windows, func(_ string, w alert.Window) bool { return over(w.EndsAt) })
	maps.DeleteFunc(q.acks, func(_ string, a alert.Ack) bool { return a.At.Before(now.Add(-ackKept)) })
}
