package engine

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
)

const (
	// keepIncidents is how long incidents are kept.
	keepIncidents = 2 * 365 * 24 * time.Hour
	// deleteEvery is how often older ones are looked for, and maxDeleted how many
	// are deleted at once.
	deleteEvery = time.Hour
	maxDeleted  = 1000
)

// store keeps incidents as records. It writes only what is in the ledger that is
// stored: an incident that no ledger knows would never end.
func (t *term) store(ctx context.Context, now moment) {
	if t.state == nil || t.state.dirty || now.passed < t.records || !t.e.opts.MayStore() {
		return
	}
	for _, e := range t.state.Alerts {
		if e.StartedAt == nil || e.Version <= e.Stored {
			continue
		}
		if t.e.opts.Elapsed()-now.passed > t.e.opts.Timeout { // polls wait
			signal(t.e.due)
			return
		}
		if err := t.storeIncident(ctx, e); err != nil {
			t.records = now.passed + maxPause
			if ctx.Err() == nil {
				t.log.WithError(err).Warn("an incident cannot be stored: it stays in the ledger of alerts until it can")
			}
			return
		}
	}
	if now.passed < t.deleted {
		return
	}
	t.deleted = now.passed + deleteEvery
	err := t.call(ctx, func(ctx context.Context) error {
		n, err := t.e.opts.Store.DeleteRecords(ctx, store.RecordIncident, now.wall.Add(-keepIncidents), maxDeleted)
		if n == maxDeleted {
			t.deleted = now.passed // there may be more
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		t.log.WithError(err).Warn("old incidents cannot be deleted")
	}
}

func (t *term) storeIncident(ctx context.Context, e *entry) error {
	data, err := json.Marshal(e.asIncident())
	if err != nil {
		return err
	}
	err = t.call(ctx, func(ctx context.Context) error {
		return t.e.opts.Store.PutRecord(ctx, store.Record{
			Kind: store.RecordIncident, API: e.API, ID: e.Incident, At: e.PendingAt, Version: e.Version, Data: data,
		})
	})
	switch {
	case errors.Is(err, store.ErrRefused):
		t.log.WithError(err).WithField("incident", e.Incident).Error("an incident is too large to be stored: it is left out")
	case errors.Is(err, store.ErrConflict): // it is there already
	case err != nil:
		return err
	}
	e.Stored = e.Version // no reason to write the ledger: at worst it is stored twice
	return nil
}

// asIncident returns what is kept of the alert.
func (e *entry) asIncident() alert.Incident { return alert.Incident{Alert: e.Alert, Events: e.Events} }
