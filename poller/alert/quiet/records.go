package quiet

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
)

// The records of silences and windows are in order by their planned end: what is
// not over is found without what is. Those of acknowledgements are by when they
// were made.
const (
	// maxKnown is how many records of a kind are read.
	maxKnown = 2000
	// skew is how far the clocks of instances may differ.
	skew = time.Minute
	// acksFor is how long acknowledgements are read: the engine keeps in its ledger
	// what it has seen.
	acksFor = 7 * 24 * time.Hour
	// keepRecords is how long records are kept, as incidents are; deleteEvery is
	// how often older ones are looked for, and maxDeleted how many go at once.
	keepRecords = 2 * 365 * 24 * time.Hour
	deleteEvery = time.Hour
	maxDeleted  = 1000
)

// place names a record.
type place struct {
	kind    store.RecordKind
	api, id string
}

// entry is a record that was read. It never changes.
type entry struct {
	place
	at      time.Time
	version int64
	// request is the fingerprint of what was asked for; see fingerprint.
	request string
	// What it is, according to its kind; none: it cannot be read.
	silence  *alert.Silence
	matchers []matcher // of the silence
	window   *alert.Window
	ack      *alert.Ack
}

// The texts of records.
type (
	silenceText struct {
		alert.Silence
		Request string `json:"request,omitempty"`
	}
	windowText struct {
		alert.Window
		Request string `json:"request,omitempty"`
	}
)

func readEntry(r store.Record) (*entry, error) {
	e := &entry{place: place{r.Kind, r.API, r.ID}, at: r.At, version: r.Version}
	switch r.Kind {
	case store.RecordSilence:
		var text silenceText
		if err := json.Unmarshal(r.Data, &text); err != nil {
			return e, err
		}
		matchers, err := compileMatchers(text.Matchers)
		if err != nil {
			return e, err
		}
		e.silence, e.matchers, e.request = &text.Silence, matchers, text.Request
		e.silence.ID, e.silence.API = r.ID, r.API
	case store.RecordMaintenance:
		var text windowText
		if err := json.Unmarshal(r.Data, &text); err != nil {
			return e, err
		}
		e.window, e.request = &text.Window, text.Request
		e.window.ID, e.window.API, e.window.State, e.window.Settings = r.ID, r.API, "", false
	case store.RecordAck:
		var ack alert.Ack
		if err := json.Unmarshal(r.Data, &ack); err != nil {
			return e, err
		}
		e.ack = &ack
	default:
		return e, fmt.Errorf("a record of the kind %s is none of these", r.Kind)
	}
	return e, nil
}

// read reads what is not over.
func (q *Quiet) read(ctx context.Context) error {
	return q.atStore(ctx, func(ctx context.Context) error {
		now := store.Milliseconds(q.opts.Now())
		var found []store.Record
		for kind, from := range map[store.RecordKind]time.Time{
			store.RecordSilence: now.Add(-skew), store.RecordMaintenance: now.Add(-skew), store.RecordAck: now.Add(-acksFor),
		} {
			some, err := q.opts.Store.FindRecords(ctx, store.RecordQuery{Kind: kind, From: from, Limit: maxKnown})
			if err != nil {
				return err
			}
			found = append(found, some...)
		}
		q.learn(found)
		return nil
	})
}

// learn takes these records for all that there are.
func (q *Quiet) learn(found []store.Record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := q.entries
	q.entries = make(map[place]*entry, len(found))
	for _, r := range found {
		at := place{r.Kind, r.API, r.ID}
		if e := before[at]; e != nil && e.version >= r.Version {
			q.entries[at] = e
			continue
		}
		e, err := readEntry(r)
		if err != nil {
			q.opts.Logger.WithError(err).WithField("id", r.ID).WithField("api", r.API).Warnf("a %s in the store cannot be read: it is left out", r.Kind)
		}
		q.entries[at] = e
	}
	q.show()
	select {
	case <-q.first:
	default:
		close(q.first)
	}
}

// add takes one more record, or another version of one.
func (q *Quiet) add(e *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.entries[e.place] = e
	q.show()
}

// find returns a record of the store; nil: there is none, or none that can be read.
func (q *Quiet) find(ctx context.Context, at place) (*entry, error) {
	found, err := q.opts.Store.FindRecords(ctx, store.RecordQuery{Kind: at.kind, API: at.api, ID: at.id, Limit: 1})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return readEntry(found[0])
}

// put stores a record, and knows it from then on.
func (q *Quiet) put(ctx context.Context, at place, when time.Time, version int64, text any) (*entry, error) {
	data, err := json.Marshal(text)
	if err != nil {
		return nil, err
	}
	r := store.Record{Kind: at.kind, API: at.api, ID: at.id, At: store.Milliseconds(when), Version: version, Data: data}
	if err := q.opts.Store.PutRecord(ctx, r); err != nil {
		return nil, err
	}
	e, err := readEntry(r)
	if err != nil {
		return nil, err
	}
	q.add(e)
	return e, nil
}

// clean deletes what is older than anybody asks for.
func (q *Quiet) clean(ctx context.Context) {
	before := q.opts.Now().Add(-keepRecords)
	for _, kind := range []store.RecordKind{store.RecordSilence, store.RecordMaintenance, store.RecordAck} {
		err := q.atStore(ctx, func(ctx context.Context) error {
			_, err := q.opts.Store.DeleteRecords(ctx, kind, before, maxDeleted)
			return err
		})
		if err != nil {
			if ctx.Err() == nil {
				q.opts.Logger.WithError(err).Warnf("old records of the kind %s cannot be deleted", kind)
			}
			return
		}
	}
}
