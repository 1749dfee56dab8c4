package engineio

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	// sessionCost is what the budget counts for a session beside its handshake.
	sessionCost = 2 << 10
	// maxKeptHeader bounds the header fields that a session keeps.
	maxKeptHeader = 8 << 10
)

// keptRequest returns what a session keeps of its handshake, and its size. The
// session outlives the request: what it keeps must hold neither the body, nor
// the context, nor the server's buffers, nor what only the upgrade needed.
// Where the header is very long, its longest values are left out, and never the
// origin of a page.
func keptRequest(r *http.Request) (*http.Request, int64) {
	names := slices.Collect(maps.Keys(r.Header))
	size := func(name string) int {
		n := len(name)
		for _, v := range r.Header[name] {
			n += len(v) + 16
		}
		return n
	}
	rank := func(name string) int {
		if name == "Origin" {
			return 0
		}
		return size(name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b)) })
	header, total := make(http.Header, len(names)), 0
	for _, name := range names {
		if strings.HasPrefix(name, "Sec-Websocket-") || name == "Upgrade" || name == "Connection" {
			continue
		}
		if total += size(name); total > maxKeptHeader {
			break
		}
		header[name] = r.Header[name]
	}
	u := &url.URL{Path: strings.Clone(r.URL.Path), RawQuery: strings.Clone(r.URL.RawQuery)}
	kept := &http.Request{
		Method: r.Method, URL: u, Header: header, Host: r.Host, RemoteAddr: r.RemoteAddr, TLS: r.TLS,
		Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor,
	}
	return kept, int64(total + len(u.Path) + len(u.RawQuery) + sessionCost)
}
