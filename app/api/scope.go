package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/devops-insights/devops-insights/store/past"
)

// scope is what a question is about.
type scope struct {
	api    string
	source string   // the region in lower case; empty: all
	all    []string // the regions of the API
}

// scope returns what the parameters api and source name; without an API it is the
// first one.
func (a *API) scope(p params) (scope, error) { return a.scopeOf(p["api"], p["source"]) }

func (a *API) scopeOf(api, source string) (scope, error) {
	catalog := a.Catalog()
	found, ok := catalog.Find(strings.ToLower(api))
	if !ok {
		return scope{}, notFound("api", api, catalog.Names())
	}
	of := scope{api: found.Name, source: strings.ToLower(source), all: found.Sources()}
	if source != "" && !found.Has(of.source) {
		return of, notFound("region", source, of.all)
	}
	return of, nil
}

// regions returns the one that is asked for, or all.
func (s scope) regions() []string {
	if s.source != "" {
		return []string{s.source}
	}
	return s.all
}

func notFound(what, name string, allowed []string) error {
	return &problem{
		status: http.StatusNotFound, allowed: allowed,
		sentence: fmt.Sprintf("There is no %s %s: allowed are %s", what, past.Short(name), strings.Join(allowed, ", ")),
	}
}

// place is one region of an API.
type place struct{ api, region string }

// places returns the regions that are asked for.
func (s scope) places() (all []place) {
	for _, region := range s.regions() {
		all = append(all, place{s.api, region})
	}
	return all
}
