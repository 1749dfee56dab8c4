package store

import "slices"

// Catalog says which APIs are polled, in the order of the settings. The first one
// is meant where a question names none. A Catalog never changes: a reload of the
// settings makes another one.
type Catalog []API

// API is one upstream of a Catalog.
type API struct {
	// Name is in lower case, as it stands in the store and in the names of rooms.
	Name string
	// Title is for people; empty: Name.
	Title string
	// Regions are in the order of the settings.
	Regions []Region
}

// Region is one region of an API.
type Region struct {
	// Name is in lower case.
	Name string
	// Title is for people; empty: Name.
	Title string
}

// Find returns the API of that name, or the first one where name is empty.
func (c Catalog) Find(name string) (API, bool) {
	i := slices.IndexFunc(c, func(a API) bool { return name == "" || a.Name == name })
	if i < 0 {
		return API{}, false
	}
	return c[i], true
}

// Names returns the names of the APIs.
func (c Catalog) Names() []string {
	names := make([]string, len(c))
	for i, a := range c {
		names[i] = a.Name
	}
	return names
}

// Has reports whether the API has the region.
func (a API) Has(region string) bool {
	return slices.ContainsFunc(a.Regions, func(r Region) bool { return r.Name == region })
}

// Sources returns the names of the regions.
func (a API) Sources() []string {
	names := make([]string, len(a.Regions))
	for i, r := range a.Regions {
		names[i] = r.Name
	}
	return names
}
