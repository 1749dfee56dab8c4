package socket

import (
	"encoding/json"
	"time"

	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store"
)

// SendObserver is told of the changes that are sent to the dashboards, one after
// the other for each region.
type SendObserver interface {
	// Sending is told of a change right before it is sent: with local to the
	// dashboards of this process, else to those of all. sent is called when that
	// has been done, with its error; what a slow dashboard has not taken yet waits
	// for it then.
	Sending(c store.Change, local bool) (sent func(error))
}

// WriteObserver is a SendObserver that is told as well what becomes of a change on
// its way to the dashboards of this process. The change comes without its Data.
// Both methods must be short: a dashboard may wait for them.
type WriteObserver interface {
	SendObserver
	// Written is told that every dashboard of the room has been written the change,
	// has skipped it for a newer one, or has gone.
	Written(c store.Change)
	// Skipped is told of each dashboard that was too slow for the change, and is
	// written a newer one in its place.
	Skipped(c store.Change)
}

// Audience sends to the dashboards of a region's room: it implements
// live.Audience.
type Audience struct {
	namespace *socketio.Namespace
	now       func() time.Time
	observers []SendObserver
	writes    []WriteObserver // of the observers
}

// NewAudience returns the audience of a namespace; now is the clock of the time
// stamps. The observers are told of every change that is sent; nil ones are left
// out.
func NewAudience(namespace *socketio.Namespace, now func() time.Time, observers ...SendObserver) *Audience {
	a := &Audience{namespace: namespace, now: now}
	for _, o := range observers {
		if o == nil {
			continue
		}
		a.observers = append(a.observers, o)
		if w, ok := o.(WriteObserver); ok {
			a.writes = append(a.writes, w)
		}
	}
	return a
}

// Send implements live.Audience with the event metrics-update. A dashboard that
// does not keep up is sent the newest value of the room only.
func (a *Audience) Send(c store.Change, local bool) (json.RawMessage, error) {
	room := Room(c.API, c.Source)
	receivers := a.namespace.To(room).Coalesce(room)
	if local {
		receivers = receivers.Local()
	}
	sent := a.sending(c, local)
	payload := update(c, a.now())
	err := a.watched(receivers, c).Emit(EventUpdate, payload)
	sent(err)
	return payload, err
}

// sending tells the observers of a change.
func (a *Audience) sending(c store.Change, local bool) (sent func(error)) {
	all := make([]func(error), len(a.observers))
	for i, o := range a.observers {
		all[i] = o.Sending(c, local)
	}
	return func(err error) {
		for _, sent := range all {
			sent(err)
		}
	}
}

// watched tells those who want to know what becomes of the change.
func (a *Audience) watched(b socketio.Broadcast, c store.Change) socketio.Broadcast {
	if len(a.writes) == 0 {
		return b
	}
	c.Data = nil // a slow dashboard must not keep it
	return b.OnWritten(func() {
		for _, w := range a.writes {
			w.Written(c)
		}
	}).OnSkipped(func() {
		for _, w := range a.writes {
			w.Skipped(c)
		}
	})
}

// SendFailure sends the event metrics-error to the dashboards of a region.
func (a *Audience) SendFailure(f Failure) error {
	room := Room(f.API, f.Source)
	return a.namespace.To(room).Coalesce(room+":error").Emit(EventFailure, failure(f, a.now()))
}
