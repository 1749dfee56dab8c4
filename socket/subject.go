package socket

import (
	"strings"

	"github.com/devops-insights/devops-insights/store"
)

// subject is what a question is about.
type subject struct {
	api     store.API
	source  string // a region of the API; empty: all of them
	written string // the same as the dashboard wrote it
}

// subject reads which API and which region a question names; without an API it is
// about the first one. The error is a refusal. notText is its message where the
// region is no text; empty: that there is no such region.
func (h *Hub) subject(r request, notText string) (of subject, err error) {
	catalog := h.Catalog()
	name, err := r.name("api")
	var ok bool
	if of.api, ok = catalog.Find(strings.ToLower(name)); err != nil || !ok {
		return of, &refusal{message: messageInvalidAPI, allowed: catalog.Names()}
	}
	of.written, err = r.name("source")
	if err != nil && notText != "" {
		return of, &refusal{message: notText}
	}
	of.source = strings.ToLower(of.written)
	if err != nil || of.source != "" && !of.api.Has(of.source) {
		return of, invalidSource(of.api)
	}
	return of, nil
}

// subjectWithRegion is subject for a question that has to name a region.
func (h *Hub) subjectWithRegion(r request) (of subject, err error) {
	if of, err = h.subject(r, ""); err == nil && of.source == "" {
		err = invalidSource(of.api)
	}
	return of, err
}
