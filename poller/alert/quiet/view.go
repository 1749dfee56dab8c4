package quiet

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// known is what is known at some time. It never changes.
type known struct {
	apis  map[string]*words
	times []occurrence
}

// words are what people have said about one API.
type words struct {
	silences []*entry
	windows  []alert.Window
	acks     map[string]*alert.Ack // by incident
}

var nothing = new(words)

func (k *known) of(api string) *words {
	if w := k.apis[api]; w != nil {
		return w
	}
	return nothing
}

// show makes what is known to those who ask. It needs mu.
func (q *Quiet) show() {
	k := &known{apis: make(map[string]*words), times: q.times}
	for _, e := range q.entries {
		w := k.apis[e.api]
		if w == nil {
			w = &words{acks: make(map[string]*alert.Ack)}
			k.apis[e.api] = w
		}
		switch {
		case e.silence != nil:
			w.silences = append(w.silences, e)
		case e.window != nil:
			w.windows = append(w.windows, *e.window)
		case e.ack != nil:
			w.acks[e.id] = e.ack
		}
	}
	q.known.Store(k)
}

// View is what is known about one API: an engine.Quiet.
type View struct {
	q   *Quiet
	api string
}

// Of returns what is known about an API, now and from now on.
func (q *Quiet) Of(api string) *View { return &View{q, api} }

// Ack returns who has taken an incident on; nil: nobody.
func (v *View) Ack(incident string) *alert.Ack {
	ack := v.q.known.Load().of(v.api).acks[incident]
	if ack == nil {
		return nil
	}
	found := *ack
	return &found
}

// Suppression returns why an alert with these labels is not told at some time; nil:
// it is. Of several reasons it is the one that lasts longest. A window for some
// regions does not concern alerts over all of them.
func (v *View) Suppression(labels map[string]string, now time.Time) *alert.Suppression {
	k := v.q.known.Load()
	w := k.of(v.api)
	var found longest
	for i := range k.times {
		if o := &k.times[i]; o.of(v.api) && concerns(o.window.Regions, labels) {
			found.take("maintenance", o.window.ID, o.window.StartsAt, o.window.EndsAt, now)
		}
	}
	for i := range w.windows {
		if one := &w.windows[i]; concerns(one.Regions, labels) {
			found.take("maintenance", one.ID, one.StartsAt, one.EndsAt, now)
		}
	}
	for _, e := range w.silences {
		if s := e.silence; lasts(s.StartsAt, s.EndsAt, now) && matchAll(e.matchers, labels) {
			found.take("silence", s.ID, s.StartsAt, s.EndsAt, now)
		}
	}
	return found.suppression
}

// concerns reports whether a window for some regions, none for all, is about an
// alert.
func concerns(regions []string, labels map[string]string) bool {
	return len(regions) == 0 || slices.Contains(regions, labels["region"])
}

func lasts(start, end, now time.Time) bool { return !start.After(now) && end.After(now) }

// longest keeps the reason that lasts longest; of equal ones always the same.
type longest struct{ suppression *alert.Suppression }

func (l *longest) take(by, id string, start, end, now time.Time) {
	if !lasts(start, end, now) {
		return
	}
	if s := l.suppression; s != nil && cmp.Or(s.Until.Compare(end), strings.Compare(by, s.By), strings.Compare(id, s.ID)) >= 0 {
		return
	}
	l.suppression = &alert.Suppression{By: by, ID: id, Until: &end}
}

// Silences returns the silences of an API that are not over, the next one first.
func (q *Quiet) Silences(api string) (all []alert.Silence) {
	now := q.opts.Now()
	for _, e := range q.known.Load().of(api).silences {
		if e.silence.EndsAt.After(now) {
			all = append(all, *e.silence)
		}
	}
	slices.SortFunc(all, func(a, b alert.Silence) int {
		return cmp.Or(a.StartsAt.Compare(b.StartsAt), strings.Compare(a.ID, b.ID))
	})
	return all
}

// Windows returns the maintenance of an API that is not over, the next one first. Of
// a window that comes again it has the next times within Horizon.
func (q *Quiet) Windows(api string) (all []alert.Window) {
	now, k := q.opts.Now(), q.known.Load()
	for i := range k.times {
		if o := &k.times[i]; o.of(api) && o.window.EndsAt.After(now) {
			w := windowAt(o.window, now)
			w.API = api
			all = append(all, w)
		}
	}
	for _, w := range k.of(api).windows {
		if w.EndsAt.After(now) {
			all = append(all, windowAt(w, now))
		}
	}
	slices.SortFunc(all, func(a, b alert.Window) int {
		return cmp.Or(a.StartsAt.Compare(b.StartsAt), strings.Compare(a.ID, b.ID))
	})
	return all
}
