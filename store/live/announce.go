package live

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
)

// Announcement is an update that came from another process.
type Announcement struct {
	API, Source string
	// Hash is that of its data, as store.Hash has it.
	Hash string
	// Clock is the time that the announcer wrote into it.
	Clock time.Time
	// Update is what the dashboards are sent.
	Update json.RawMessage
}

// late reports that the announcement may be older than what was sent last. By
// their clocks it seems so, which may be wrong: the store has to say.
func (a Announcement) late(r *region) bool { return !a.Clock.After(r.clock) }

// unverifiedUpdate is an announced value about which the store has to say whether
// it has it.
type unverifiedUpdate struct {
	api, source, hash string
	since             time.Time
	sent              bool // the dashboards have it already
	announcement      Announcement
	pass              func()
}

// Announce takes an update that another process has sent to the dashboards of
// all instances. pass sends it to those of this one: at once, later from
// another goroutine, or never where they have the value already or
// the feed brings it.
func (v *View) Announce(a Announcement, pass func()) {
	r := v.region(a.API, a.Source)
	r.gate.Lock()
	defer r.gate.Unlock()
	v.mu.Lock()
	repeated, late := r.sent == a.Hash, a.late(r) || r.sentLately(a.Hash)
	v.mu.Unlock()
	if repeated {
		return
	}
	if late || v.o.Complete() {
		v.verifyLater(unverifiedUpdate{api: a.API, source: a.Source, hash: a.Hash, announcement: a, pass: pass})
	} else {
		v.forward(r, a, pass)
	}
	if !v.o.Complete() {
		v.requestRefresh()
	}
}

// forward sends an announcement on. The caller holds the gate.
func (v *View) forward(r *region, a Announcement, pass func()) {
	v.mu.Lock()
	v.assignSequence(r, a.Hash, a.Clock)
	r.update, r.announced = a.Update, r.sequence
	v.mu.Unlock()
	pass()
}

// requestRefresh asks for a look into the store; one that is asked for already is enough.
func (v *View) requestRefresh() {
	select {
	case v.stale <- struct{}{}:
	default:
	}
}

// verifyLater queues an announcement for verify. More than fit are dropped: the
// store's own values come by the feed in any case.
func (v *View) verifyLater(d unverifiedUpdate) {
	d.since = v.o.Now()
	select {
	case v.unverified <- d:
	default:
	}
}

// reconcile looks into the store where an announcement asks for it, until ctx ends.
func (v *View) reconcile(ctx context.Context) {
	compare := time.NewTicker(v.o.Compare)
	defer compare.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-v.unverified:
			if pause(ctx, grace-v.o.Now().Sub(d.since)) {
				v.verify(ctx, d)
			}
			continue
		case <-compare.C:
		case <-v.stale:
		}
		if err := v.Refresh(ctx); err != nil && ctx.Err() == nil {
			v.o.Logger.WithError(err).Debug("the values of the dashboards could not be compared with the store")
		}
	}
}

// grace is the time in which the feed usually brings what was announced.
const grace = 250 * time.Millisecond

// pause waits, and reports false where ctx ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// recentRows is how far back a value counts as one that the store had lately.
const recentRows = 50

// verify decides about an announced value. One that the store has or had comes
// by the feed: dashboards that were sent an old one get the newest again. Any
// other one is the announcer's own, and dashboards hear it.
func (v *View) verify(ctx context.Context, d unverifiedUpdate) {
	if !v.serves(d.api, d.source) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, v.o.Timeout)
	defer cancel()
	stored := false
	err := v.o.History.Scan(ctx, store.Query{API: d.api, Source: d.source, Limit: recentRows}, func(m store.Metric) error {
		stored = stored || m.Hash == d.hash
		return nil
	})
	switch {
	case err != nil && d.sent:
		return // the next look into the store brings it up again
	case err != nil:
		v.o.Logger.WithError(err).WithFields(logrus.Fields{"api": d.api, "region": d.source}).Warn("an announced value could not be compared with the history, and counts as one that the store does not have")
	}
	r := v.region(d.api, d.source)
	r.gate.Lock()
	defer r.gate.Unlock()
	v.mu.Lock()
	newest, sent, value := r.value.Hash, r.sent, r.value
	if !stored {
		r.outside = d.hash
	}
	// Announcements of several processes overlap, those of outsiders too.
	repeated := r.sentLately(d.hash) && d.announcement.late(r)
	again := d.sent && stored && sent == d.hash && sent != newest
	if again {
		v.assignSequence(r, newest, value.UpdatedAt)
	}
	v.mu.Unlock()
	switch {
	case again:
		if err := v.send(r, store.Change{Metric: value, Snapshot: true}, true); err != nil {
			v.o.Logger.WithError(err).WithFields(logrus.Fields{"api": d.api, "region": d.source}).Error("a change could not be sent")
		}
	case !d.sent && !stored && sent != d.hash && newest != d.hash && !repeated:
		v.forward(r, d.announcement, d.pass)
	}
}
