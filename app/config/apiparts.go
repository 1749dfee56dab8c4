package config

import (
	"net/http"
	"slices"

	"golang.org/x/net/http/httpguts"

	"github.com/devops-insights/devops-insights/app/config/yamltree"
)

// regionTitle is a region as the list of all regions has it.
type regionTitle struct {
	Name  textPart `json:"name" jsonschema_description:"Name of the region on the wire and in the store: letters, digits, dots, hyphens and underscores."`
	Title textPart `json:"title,omitempty" jsonschema_description:"What people see; without it the name."`
}

func (p *regionTitle) read(y *yamlFile, n *yamltree.Node) {
	if n.Kind == yamltree.Scalar {
		p.Name.read(y, n)
		return
	}
	p.Name.place = n.Place
	y.mapping(n, p)
}

// apiPart is one API.
type apiPart struct {
	Name      textPart `json:"name" jsonschema_description:"Name of the API on the wire and in the store: letters, digits, dots, hyphens and underscores."`
	Title     textPart `json:"title,omitempty" jsonschema_description:"What people see; without it the name."`
	Simulated boolPart `json:"simulated,omitempty" jsonschema_description:"Poll the built-in simulator, which makes values up."`
	howPart
	Fields  fieldsPart          `json:"fields,omitempty" jsonschema_description:"Which fields points are kept of beyond the rows of the history; a key that is absent is that of the settings rollup-include, rollup-exclude and rollup-max-fields."`
	Regions several[regionPart] `json:"regions,omitempty" jsonschema_description:"The regions of this API: names, or names with what differs there. Without it all regions."`
}

func (p *apiPart) read(y *yamlFile, n *yamltree.Node) {
	p.Name.place = n.Place
	p.Name.there = n.Kind == yamltree.Scalar || n.Kind == yamltree.Sequence // which is said
	y.mapping(n, p)
}

// regionPart is one region of an API, with what differs there.
type regionPart struct {
	Name  textPart `json:"name" jsonschema_description:"Name of the region."`
	Title textPart `json:"title,omitempty" jsonschema_description:"What people see; without it that of the list of all regions."`
	howPart
}

func (p *regionPart) read(y *yamlFile, n *yamltree.Node) {
	p.Name.place = n.Place
	if n.Kind == yamltree.Scalar {
		p.Name.read(y, n)
		return
	}
	y.mapping(n, p)
}

// howPart is how a region is polled. An API has it for all of its regions.
type howPart struct {
	URL      secretPart          `json:"url,omitempty" jsonschema_description:"Template of the URL; {source} stands for the region and {api} for the API. Without it https://data--{source}.{api}.io/status?stats=1. May be file:PATH."`
	Headers  headersPart         `json:"headers,omitempty" jsonschema_description:"Headers of each request. A value may be file:PATH; an empty one takes away that of the API."`
	Interval durationPart        `json:"interval,omitempty" jsonschema_description:"Time between two polls, at least 100ms; without it the setting poll-interval."`
	Timeout  durationPart        `json:"timeout,omitempty" jsonschema_description:"Time for one poll; without it the setting poll-timeout."`
	TLS      tlsPart             `json:"tls,omitempty" jsonschema_description:"How an upstream with https is trusted and asked. That of a region takes the place of all of the API's."`
	Statuses several[statusPart] `json:"statuses,omitempty" jsonschema_description:"HTTP statuses that are answers; without it 200-299."`
	State    statePart           `json:"state,omitempty" jsonschema_description:"What a value says about its region; a key that is absent is that of the API, or of the settings state-field, state-up and state-degraded."`
}

// headersPart are headers by their names.
type headersPart []headerPart

type headerPart struct {
	name  string
	value secretPart
}

func (p *headersPart) read(y *yamlFile, n *yamltree.Node) {
	if n.Kind == yamltree.Null {
		return
	}
	if n.Kind != yamltree.Mapping {
		y.bad(n.Place, "headers by their names are expected here, as in X-Api-Key: ${ACME_KEY}")
		return
	}
	for _, e := range n.Entries {
		h := headerPart{name: http.CanonicalHeaderKey(e.Key)}
		h.value.read(y, e.Value)
		switch {
		case !httpguts.ValidHeaderFieldName(e.Key):
			y.bad(e.Place, "this is no name of a header: letters, digits and hyphens are allowed")
		case slices.Contains(ofConnection, h.name):
			y.bad(e.Place, "this is a header that the connection sets itself: leave it out")
		case slices.ContainsFunc(*p, func(other headerPart) bool { return other.name == h.name }):
			y.bad(e.Place, "this header stands here a second time: letter case does not count")
		case h.value.set && !httpguts.ValidHeaderFieldValue(h.value.value):
			y.bad(h.value.place, "there are signs in this value that no header may have: it is one line")
		case h.value.set:
			*p = append(*p, h)
		}
	}
}

// tlsPart names PEM files.
type tlsPart struct {
	given
	CA         filePart `json:"ca,omitempty" jsonschema_description:"PEM file with the authorities that are trusted, in place of the system's."`
	Cert       filePart `json:"cert,omitempty" jsonschema_description:"PEM file with our certificate; needs key."`
	Key        filePart `json:"key,omitempty" jsonschema_description:"PEM file with its private key."`
	ServerName textPart `json:"server_name,omitempty" jsonschema_description:"Name in the certificate of the upstream, in place of the host of the URL."`
}

func (p *tlsPart) read(y *yamlFile, n *yamltree.Node) {
	p.place, p.set = n.Place, n.Kind == yamltree.Mapping
	y.mapping(n, p)
}

// statePart says which field means what.
type statePart struct {
	given
	Field    textPart          `json:"field,omitempty" jsonschema_description:"Field of the value that says whether its region is up: names joined with dots."`
	Up       several[textPart] `json:"up,omitempty" jsonschema_description:"What the field says of a region that is up."`
	Degraded several[textPart] `json:"degraded,omitempty" jsonschema_description:"What it says of a region that is degraded; anything else means down."`
}

func (p *statePart) read(y *yamlFile, n *yamltree.Node) {
	p.place, p.set = n.Place, true
	y.mapping(n, p)
}

// fieldsPart says which fields are kept.
type fieldsPart struct {
	Include several[textPart] `json:"include,omitempty" jsonschema_description:"Patterns of the fields of which points are kept, * stands for any characters; empty: every number."`
	Exclude several[textPart] `json:"exclude,omitempty" jsonschema_description:"Patterns of the fields of which none are kept."`
	Max     countPart         `json:"max,omitempty" jsonschema_description:"Largest number of fields, 1 to 10000."`
}

func (p *fieldsPart) read(y *yamlFile, n *yamltree.Node) { y.mapping(n, p) }
