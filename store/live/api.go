package live

import (
	"slices"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
)

// api is what is known of one API. All of it is guarded by the view's lock.
type api struct {
	name      string
	regions   map[string]*region
	heardOf   []*region // the same, in the order in which gates are taken
	order     []*region // with a value, in the order of their first one
	all       *Snapshot // the answer with all regions; nil after a change
	delivered map[Dashboard]*delivered
}

// region returns a region that was heard of, else nil.
func (a *api) region(source string) *region {
	if a == nil {
		return nil
	}
	return a.regions[source]
}

// snapshot returns the answer with all regions that are served; count is that of
// the news so far.
func (a *api) snapshot(count uint64) *Snapshot {
	if a.all == nil {
		a.all = &Snapshot{sequence: count, Values: make([]store.Metric, 0, len(a.order))}
		for _, r := range a.order {
			if r.served {
				a.all.Values = append(a.all.Values, r.value)
			}
		}
	}
	return a.all
}

// api returns an API, which it adds where it is not known yet. The caller holds
// the view's lock.
func (v *View) api(name string) *api {
	a := v.apis[name]
	if a == nil {
		a = &api{name: name, regions: make(map[string]*region), delivered: make(map[Dashboard]*delivered)}
		v.apis[name] = a
	}
	return a
}

// region returns a region, which it adds where it is not known yet. There is
// never another one of the same name, so that its gate is the only one.
func (v *View) region(name, source string) *region {
	v.mu.Lock()
	defer v.mu.Unlock()
	a := v.api(name)
	r := a.region(source)
	if r == nil {
		r = &region{api: a, source: source, served: v.serves(name, source)}
		a.regions[source] = r
		a.heardOf = append(a.heardOf, r)
	}
	return r
}

// regionsOf returns the regions of an API, always in the same order.
func (v *View) regionsOf(name string) []*region {
	v.mu.Lock()
	defer v.mu.Unlock()
	if a := v.apis[name]; a != nil {
		return slices.Clip(a.heardOf)
	}
	return nil
}

// serves reports whether the catalog has the region.
func (v *View) serves(name, source string) bool {
	a, ok := v.o.Catalog().Find(name)
	return ok && a.Name == name && a.Has(source)
}

// Adopt follows a change of the catalog. What it does not have any more is neither
// answered nor sent from here on. The values of what is new are there already, as
// far as the store has any: they are news to the dashboards that hear the region,
// those of a removed region that returns too.
func (v *View) Adopt() {
	v.mu.Lock()
	var all []*region
	for _, a := range v.apis {
		all = append(all, a.heardOf...)
	}
	v.mu.Unlock()
	for _, r := range all {
		if err := v.adopt(r); err != nil {
			v.o.Logger.WithError(err).WithFields(logrus.Fields{"api": r.api.name, "region": r.source}).Error("a value could not be sent")
		}
	}
}

// adopt lets a region be served or not, as the catalog says now.
func (v *View) adopt(r *region) error {
	r.gate.Lock()
	defer r.gate.Unlock()
	v.mu.Lock()
	served := v.serves(r.api.name, r.source)
	if served == r.served {
		v.mu.Unlock()
		return nil
	}
	r.served, r.api.all = served, nil
	if !served {
		r.forgetSent()
		v.count++ // what was answered before is out of date
		v.mu.Unlock()
		return nil
	}
	known, value := r.known, r.value
	if known {
		v.assignSequence(r, value.Hash, value.UpdatedAt)
	}
	v.mu.Unlock()
	if !known {
		return nil
	}
	return v.send(r, store.Change{Metric: value, Snapshot: true}, true)
}

// forgetSent makes any value news.
func (r *region) forgetSent() {
	r.sequence, r.sent, r.outside, r.update = 0, "", "", nil
	r.recent = [8]string{}
}
