package app

import (
	"crypto/rand"
	"net/http"
	"strings"
)

// requestIDHeader names a request in the log, in the answer, and at the proxies on
// its way.
const requestIDHeader = "X-Request-Id"

// maxRequestID bounds an id that somebody else has given.
const maxRequestID = 64

// withRequestID gives each request an id, unless one that is safe came with it, and
// sends it back with the answer, whatever the answer is.
func withRequestID(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !isRequestID(id) {
			id = rand.Text()
		}
		r.Header.Set(requestIDHeader, id)
		w.Header().Set(requestIDHeader, id)
		h.ServeHTTP(w, r)
	})
}

// requestID returns the id of a request that withRequestID has seen.
func requestID(r *http.Request) string { return r.Header.Get(requestIDHeader) }

// isRequestID reports whether a text is what ids are made of: it goes into the log,
// into headers and to dashboards.
func isRequestID(id string) bool {
	return id != "" && len(id) <= maxRequestID && strings.IndexFunc(id, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune("-_.:+/=@", c)
	}) < 0
}
