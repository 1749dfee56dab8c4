package config

import (
	"cmp"
	"net/http"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// API is one upstream: how it is asked, and what its values mean.
type API struct {
	// Name is in lower case; Title is for people, empty: Name.
	Name, Title string
	// Simulated says that the built-in simulator is polled.
	Simulated bool
	// Regions are in the order in which people see them.
	Regions []Region
	// Fields are those of which points are kept in the tiers.
	Fields Fields
}

// Region is one region of an API, with everything that is needed to poll it.
type Region struct {
	// Name is in lower case; Title is for people, empty: Name.
	Name, Title string
	// URL is a template with {source} and {api}; empty: that of an upstream which
	// is known by its name alone.
	URL string
	// Header goes with every request; its values may be secret.
	Header http.Header
	// Interval is the time between two polls; Timeout bounds one, 0: what the
	// interval allows.
	Interval, Timeout time.Duration
	// TLS is how the upstream is trusted and asked over https.
	TLS UpstreamTLS
	// Statuses are those that are answers; empty: 200 to 299.
	Statuses []StatusRange
	// State says what a value means.
	State State
}

// UpstreamTLS names PEM files; empty: the system's authorities, and no
// certificate of our own.
type UpstreamTLS struct {
	CA, Cert, Key string
	// ServerName replaces the host of the URL in the check of the certificate.
	ServerName string
	// Digest changes with what is in the files.
	Digest string
}

// StatusRange is a range of HTTP statuses, both ends included.
type StatusRange struct{ From, To int }

// Fields are the rules of what is kept in the tiers; see the settings ROLLUP_….
type Fields struct {
	Include, Exclude []string
	Max              int
}

// APIs returns what is polled: what the YAML file lists under apis, else the one
// API of the environment, with the regions of the file or the six.
func (c *Config) APIs() []API {
	if len(c.apis) > 0 {
		return c.apis
	}
	header, _ := c.Headers()      // Load has refused
	intervals, _ := c.Intervals() // what is wrong
	api := API{
		Name: c.API(), Simulated: c.Simulated(),
		Fields: Fields{Include: c.RollupInclude, Exclude: c.RollupExclude, Max: c.RollupMaxFields},
	}
	for _, r := range c.allRegions() {
		api.Regions = append(api.Regions, Region{
			Name: r.Name, Title: r.Title, URL: c.UpstreamURL, Header: header, State: c.State,
			Interval: cmp.Or(intervals[r.Name], c.PollInterval), Timeout: c.PollTimeout,
		})
	}
	return []API{api}
}

// allRegions returns the names and titles of the file's list of regions, else of
// the six.
func (c *Config) allRegions() []Region {
	if len(c.regions) > 0 {
		return c.regions
	}
	var all []Region
	for _, name := range store.Regions() {
		all = append(all, Region{Name: name})
	}
	return all
}

// API returns the name of the API that is meant where none is named: the first.
func (c *Config) API() string {
	if len(c.apis) > 0 {
		return c.apis[0].Name
	}
	return c.Upstream.API()
}

// Simulated reports whether the first API is the simulator.
func (c *Config) Simulated() bool {
	if len(c.apis) > 0 {
		return c.apis[0].Simulated
	}
	return c.Upstream.Simulated()
}

// ChosenAPI returns the name of the API that a command is about: that of the flag
// --api, which may be any that is stored, else the first one.
func (c *Config) ChosenAPI() string {
	if c.apiByFlag() {
		return c.Upstream.API()
	}
	return c.API()
}

func (c *Config) apiByFlag() bool {
	return c.APIName != "" && c.origins["EXTERNAL_API_NAME"] == "flag --api"
}

// Catalog returns the names of what is polled.
func (c *Config) Catalog() store.Catalog {
	var all store.Catalog
	for _, a := range c.APIs() {
		one := store.API{Name: a.Name, Title: a.Title}
		for _, r := range a.Regions {
			one.Regions = append(one.Regions, store.Region{Name: r.Name, Title: r.Title})
		}
		all = append(all, one)
	}
	return all
}
