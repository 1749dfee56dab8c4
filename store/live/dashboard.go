package live

import (
	"context"
	"encoding/json"
)

// Dashboard is one connection, as far as the View needs it. The same
// connection must be the same value.
type Dashboard interface {
	// Hears reports whether the dashboard hears the region of the API.
	Hears(api, source string) bool
	// Hear lets it hear the region from now on; an error says that it does not.
	Hear(api, source string) error
	// Tell sends it an update and does not wait.
	Tell(update json.RawMessage) error
	// Gone reports whether it has disconnected. Forget is called after that.
	Gone() bool
}

// delivered is what a dashboard has of an API: the sequence number of the newest news when
// it got an answer with all regions, and later ones for single regions.
type delivered struct {
	all     uint64
	every   bool // it has had an answer with all regions
	regions map[string]uint64
}

// since returns the newest sequence number that the dashboard has of a region.
func (t *delivered) since(source string) (sequence uint64, known bool) {
	if t == nil {
		return 0, false
	}
	one, known := t.regions[source]
	return max(t.all, one), known || t.every
}

// Answer gives the newest value of a region of an API, or with an empty source
// those of all its regions, to send, and notes that the dashboard has them. Nothing newer is sent
// meanwhile to a dashboard that hears the regions. Errors are those of Snapshot
// and of send, which must not wait for the dashboard.
func (v *View) Answer(ctx context.Context, d Dashboard, api, source string, send func(*Snapshot) error) error {
	if err := v.freshen(ctx); err != nil {
		return err
	}
	for _, r := range v.subscribed(d, api, source) {
		r.gate.RLock()
		defer r.gate.RUnlock()
	}
	s, err := v.snapshot(api, source)
	if err != nil {
		return err
	}
	v.noteDelivered(d, api, source, s.sequence)
	return send(s)
}

// subscribed returns the regions of the answer that the dashboard hears, always in
// the same order.
func (v *View) subscribed(d Dashboard, api, source string) (all []*region) {
	if source != "" {
		if d.Hears(api, source) {
			all = append(all, v.region(api, source))
		}
		return all
	}
	for _, r := range v.regionsOf(api) {
		if d.Hears(api, r.source) {
			all = append(all, r)
		}
	}
	return all
}

func (v *View) noteDelivered(d Dashboard, api, source string, sequence uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if d.Gone() {
		return
	}
	of := v.api(api)
	t := of.delivered[d]
	if t == nil {
		t = new(delivered)
		of.delivered[d] = t
	}
	if source == "" {
		*t = delivered{all: sequence, every: true}
		return
	}
	if t.regions == nil {
		t.regions = make(map[string]uint64)
	}
	t.regions[source] = sequence
}

// Join lets the dashboard hear a region of an API from now on. It first tells it what it
// has missed since its last answer with that region.
func (v *View) Join(d Dashboard, api, source string) error {
	r := v.region(api, source)
	r.gate.RLock()
	defer r.gate.RUnlock()
	if d.Hears(api, source) {
		return nil
	}
	if err := d.Hear(api, source); err != nil {
		return err
	}
	v.mu.Lock()
	since, known := r.api.delivered[d].since(source)
	update, missed := r.update, known && r.sequence > since
	v.mu.Unlock()
	if !missed {
		return nil
	}
	return d.Tell(update)
}

// Leave notes that the dashboard has heard all of a region up to now, and calls
// leave, which ends its hearing.
func (v *View) Leave(d Dashboard, api, source string, leave func()) {
	r := v.region(api, source)
	r.gate.RLock()
	defer r.gate.RUnlock()
	if !d.Hears(api, source) {
		return
	}
	v.mu.Lock()
	sequence := r.sequence
	v.mu.Unlock()
	v.noteDelivered(d, api, source, sequence)
	leave()
}

// Forget drops what is known of a dashboard that has gone.
func (v *View) Forget(d Dashboard) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, a := range v.apis {
		delete(a.delivered, d)
	}
}
