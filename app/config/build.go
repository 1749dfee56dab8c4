package config

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/devops-insights/devops-insights/app/config/yamltree"
	"github.com/devops-insights/devops-insights/store"
)

const (
	maxAPIs    = 50
	maxRegions = 200
	maxName    = 64
)

// catalog makes the regions and APIs of what the file says, on top of the
// settings of c, which are complete.
type catalog struct {
	*yamlFile
	c             *Config
	intervalIsSet bool // the setting poll-interval
	checked       map[yamltree.Place]UpstreamTLS
}

// buildRegions fills the regions of c, which settings may name.
func (y *yamlFile) buildRegions(c *Config) {
	if y.doc.Regions != nil {
		y.count(y.lists[&y.doc.Regions], len(y.doc.Regions), maxRegions, "regions")
	}
	seen := make(map[string]bool)
	for i := range y.doc.Regions {
		part := &y.doc.Regions[i]
		if name, ok := y.name(&part.Name, "region", seen); ok {
			c.regions = append(c.regions, Region{Name: name, Title: part.Title.value})
			c.ofRegions = append(c.ofRegions, name)
		}
	}
}

// count refuses an empty list, and one that is too long.
func (y *yamlFile) count(at yamltree.Place, n, most int, what string) {
	if n == 0 || n > most {
		y.bad(at, "%s has %d entries: 1 to %d are allowed", what, n, most)
	}
}

// name checks the name of an API or a region, and that it is there once.
func (y *yamlFile) name(p *textPart, what string, seen map[string]bool) (name string, ok bool) {
	name = strings.ToLower(p.value)
	switch {
	case !p.there:
		y.bad(p.place, "this %s has no name", what)
	case !p.set:
	case name == "" || len(name) > maxName || !isName(name):
		y.bad(p.place, "this cannot be the name of the %s: letters, digits, dots, hyphens and underscores are allowed, at most %d", what, maxName)
	case seen[name]:
		y.bad(p.place, "the %s %s stands here a second time", what, name)
	default:
		seen[name] = true
		return name, true
	}
	return "", false
}

// build fills the APIs of c.
func (b *catalog) build() {
	if b.doc.APIs == nil {
		return
	}
	b.count(b.lists[&b.doc.APIs], len(b.doc.APIs), maxAPIs, "apis")
	seen := make(map[string]bool)
	for i := range b.doc.APIs {
		part := &b.doc.APIs[i]
		if name, ok := b.name(&part.Name, "API", seen); ok {
			b.c.apis = append(b.c.apis, b.api(part, name))
		}
	}
	b.warnOfUnused()
}

// warnOfUnused names settings of the one API that the file's APIs replace.
func (b *catalog) warnOfUnused() {
	var unused []string
	c := b.c
	_, chosen := c.Catalog().Find(c.APIName) // by a command that is about one of them
	if c.APIName != "" && len(c.apis) > 0 && c.APIName != c.apis[0].Name && !(chosen && c.apiByFlag()) {
		unused = append(unused, "EXTERNAL_API_NAME")
	}
	if c.UpstreamURL != "" {
		unused = append(unused, "UPSTREAM_URL")
	}
	if len(c.UpstreamHeaders) > 0 {
		unused = append(unused, "UPSTREAM_HEADERS (or UPSTREAM_HEADER_…)")
	}
	if len(c.PollIntervals) > 0 {
		unused = append(unused, "POLL_INTERVALS")
	}
	if len(unused) > 0 {
		b.r.warn("%s lists apis: %s is not used, it is for the one API of the environment", b.path, strings.Join(unused, ", "))
	}
}

func (b *catalog) api(p *apiPart, name string) API {
	a := API{Name: name, Title: p.Title.value, Simulated: p.Simulated.value, Fields: b.fields(&p.Fields)}
	if a.Simulated && p.URL.there {
		b.bad(p.URL.place, "a simulated API has no url: leave one of the two out")
	}
	if p.Regions != nil {
		b.count(b.lists[&p.Regions], len(p.Regions), maxRegions, "this list of regions")
	}
	regions := p.Regions
	if p.Regions == nil {
		for _, r := range b.c.allRegions() {
			regions = append(regions, regionPart{Name: textPart{given: given{there: true, set: true, place: p.Name.place}, value: r.Name}})
		}
	}
	seen := make(map[string]bool)
	for i := range regions {
		part := &regions[i]
		if region, ok := b.name(&part.Name, "region", seen); ok && b.knows(region, part) {
			a.Regions = append(a.Regions, b.region(&a, p, part, region))
		}
	}
	return a
}

// knows checks that a region is in the list of all regions, if there is one.
func (b *catalog) knows(region string, p *regionPart) bool {
	all := b.c.ofRegions
	if all == nil {
		all = store.Regions()
	}
	near, slips := nearest(region, all)
	if b.c.ofRegions != nil && slips > 0 && slips <= 2 {
		b.bad(p.Name.place, "this region is not in the list of regions: is %s meant?", near)
		return false
	}
	if b.c.ofRegions != nil && slips > 0 {
		b.bad(p.Name.place, "this region is not in the list of regions: allowed are %s", strings.Join(all, ", "))
		return false
	}
	if slips == 1 {
		b.r.warn("%s: the region %s is like %s: is that meant?", b.at(p.Name.place), region, near)
	}
	return true
}

func (b *catalog) fields(p *fieldsPart) Fields {
	f := Fields{Include: b.c.RollupInclude, Exclude: b.c.RollupExclude, Max: b.c.RollupMaxFields}
	if all, set := texts(p.Include); set {
		f.Include = all
	}
	if all, set := texts(p.Exclude); set {
		f.Exclude = all
	}
	if p.Max.set {
		f.Max = p.Max.value
	}
	if p.Max.set && (f.Max < 1 || f.Max > 10_000) {
		b.bad(p.Max.place, "1 to 10000 are allowed")
	}
	return f
}

func (b *catalog) region(a *API, api *apiPart, p *regionPart, name string) Region {
	r := Region{Name: name, Title: p.Title.value, Header: b.headers(api.Headers, p.Headers)}
	if i := slices.IndexFunc(b.c.regions, func(other Region) bool { return other.Name == name }); i >= 0 && !p.Title.set {
		r.Title = b.c.regions[i].Title
	}
	origin := func(key string, g given, setting string) { b.origin(a.Name+"."+name+"."+key, g, setting) }
	origin("", p.Name.given, "")
	url := pick(p.URL, api.URL)
	if sentence := wrongURL(url.value); url.set && sentence != "" {
		b.bad(url.place, "this url has %s", sentence)
	}
	r.URL = url.value
	origin("url", url.given, "")

	interval := pick(p.Interval, api.Interval)
	if r.Interval = interval.value; !interval.set {
		if r.Interval = b.c.PollInterval; a.Simulated && !b.intervalIsSet {
			r.Interval = simulatedInterval
		}
	} else if r.Interval < minInterval {
		b.bad(interval.place, "this is too short: at least %s", minInterval)
	}
	origin("interval", interval.given, "POLL_INTERVAL")

	timeout := pick(p.Timeout, api.Timeout)
	if r.Timeout = timeout.value; !timeout.set {
		r.Timeout = b.c.PollTimeout
	}
	origin("timeout", timeout.given, "POLL_TIMEOUT")

	for _, h := range slices.Concat(api.Headers, p.Headers) {
		origin("header."+h.name, h.value.given, "")
	}
	tls := pick(p.TLS, api.TLS)
	origin("tls", tls.given, "")
	r.TLS = b.tls(&tls)
	if tls.set && strings.HasPrefix(strings.ToLower(r.URL), "http://") {
		b.bad(tls.place, "tls is for an url that begins with https://, the one of region %s begins with http://", name)
	}
	r.Statuses = b.statuses(api.Statuses, p.Statuses)
	for _, s := range slices.Concat(api.Statuses, p.Statuses) {
		origin("statuses", s.given, "")
	}
	r.State = b.state(&api.State, &p.State)
	origin("state", pick(p.State, api.State).given, "STATE_FIELD")
	return r
}

// isSet reports whether the value can be used.
func (g given) isSet() bool { return g.set }

// pick returns the region's part where it is there, else the API's.
func pick[P interface{ isSet() bool }](region, api P) P {
	if region.isSet() {
		return region
	}
	return api
}

// origin remembers where a value comes from: from the setting's place, or the
// default, where the file does not say it.
func (b *catalog) origin(name string, g given, setting string) {
	b.c.origins[name] = cmp.Or(b.c.origins[setting], "default")
	if g.set {
		b.c.origins[name] = b.at(g.place)
	}
}

// headers returns those of the API with those of the region in their place.
func (b *catalog) headers(api, region headersPart) http.Header {
	h := make(http.Header)
	for _, one := range slices.Concat(api, region) {
		h.Del(one.name)
		if one.value.value != "" {
			h.Set(one.name, one.value.value)
		}
	}
	return h
}

func (b *catalog) statuses(api, region several[statusPart]) (all []StatusRange) {
	if region == nil {
		region = api
	}
	for _, s := range region {
		if s.set {
			all = append(all, s.value)
		}
	}
	return all
}

// tls checks the files of a part, once for all regions that have it of their API.
func (b *catalog) tls(p *tlsPart) UpstreamTLS {
	t, known := b.checked[p.place]
	if !known {
		t = b.checkTLS(p)
		b.checked[p.place] = t
	}
	return t
}

// state returns the settings with what the API and the region say in their place.
func (b *catalog) state(api, region *statePart) State {
	s := b.c.State
	place := api.place
	for _, p := range []*statePart{api, region} {
		if p.Field.set {
			s.StateField, place = p.Field.value, p.Field.place
		}
		if all, set := texts(p.Up); set {
			s.StateUp, place = all, p.place
		}
		if all, set := texts(p.Degraded); set {
			s.StateDegraded, place = all, p.place
		}
	}
	if api.set || region.set {
		if _, err := s.Classifier(); err != nil {
			b.bad(place, "field, up and degraded of state cannot be used: field is names joined with dots, up has at least one word, and no word is in up and degraded")
		}
	}
	return s
}
