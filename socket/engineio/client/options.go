package client

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// Options configures a connection. The zero value of every field is usable.
type Options struct {
	// Path is the server's path. Empty: "/engine.io/".
	Path string
	// Query is added to the query of every request.
	Query url.Values
	// Transports are engineio.Polling, engineio.Websocket or both. The
	// connection begins with the first; it is upgraded from polling to
	// websocket where both are named. Empty: polling, then websocket.
	Transports []string
	// DisableUpgrade keeps the connection on the transport it began with.
	DisableUpgrade bool
	// Header is sent with every request and websocket handshake.
	Header http.Header
	// TLSConfig is used for https and wss addresses, unless HTTPClient is set.
	TLSConfig *tls.Config
	// HTTPClient makes the requests of polling. Its cookie jar and, where its
	// Transport is an *http.Transport, the proxy, dial function and TLS
	// configuration of that serve the websocket too. Nil: a client of the
	// connection's own, which uses the proxy that the environment names and
	// follows no redirects.
	HTTPClient *http.Client
	// Compression offers permessage-deflate for the websocket.
	Compression bool
	// HandshakeTimeout bounds the handshake. Zero: 20 s.
	HandshakeTimeout time.Duration
	// UpgradeTimeout bounds an upgrade; the connection goes on with polling
	// where it fails. Zero: 10 s.
	UpgradeTimeout time.Duration
	// MaxPayload is the largest message or polling payload that is accepted
	// from the server, in bytes, after decompression. Zero: 32 MiB.
	MaxPayload int64
	// MaxUnsent is how many bytes may wait to be sent. Zero: 16 MiB.
	MaxUnsent int
	// Logger hears of upgrades and failures at level Debug. Nil: nobody.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Path = cmp.Or(o.Path, "/engine.io/")
	if len(o.Transports) == 0 {
		o.Transports = []string{engineio.Polling, engineio.Websocket}
	}
	o.HandshakeTimeout = cmp.Or(max(0, o.HandshakeTimeout), 20*time.Second)
	o.UpgradeTimeout = cmp.Or(max(0, o.UpgradeTimeout), 10*time.Second)
	o.MaxPayload = cmp.Or(max(0, o.MaxPayload), 32<<20)
	o.MaxUnsent = cmp.Or(max(0, o.MaxUnsent), 16<<20)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Check says what in the options or the address cannot work; Dial returns the
// same error before it connects.
func Check(address string, o Options) error {
	_, err := o.withDefaults().endpoint(address)
	return err
}

// endpoint returns the address of the requests with scheme http or https.
func (o Options) endpoint(address string) (*url.URL, error) {
	for _, t := range o.Transports {
		if t != engineio.Polling && t != engineio.Websocket {
			return nil, fmt.Errorf("the transport %q of Transports is unknown: allowed are %s and %s", t, engineio.Polling, engineio.Websocket)
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("the server's address cannot be read as a URL: %w", withoutAddress(err))
	}
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	case "http", "https":
	default:
		return nil, fmt.Errorf("the scheme %q of the server's address is unknown: allowed are http, https, ws and wss", u.Scheme)
	}
	switch {
	case u.Host == "":
		return nil, fmt.Errorf("the server's address names no host: it is like http://localhost:3000")
	case u.Path != "" && u.Path != "/":
		return nil, fmt.Errorf("the server's address has the path %q: set Path instead", u.Path)
	}
	u.Path = "/" + strings.Trim(o.Path, "/") + "/"
	if u.Path == "//" {
		u.Path = "/"
	}
	query := u.Query()
	for name, values := range o.Query {
		query[name] = append(query[name], values...)
	}
	query.Set("EIO", "4")
	u.RawQuery, u.Fragment = query.Encode(), ""
	return u, nil
}

// withUser moves the user of an address into the headers: a websocket address
// has none.
func withUser(h http.Header, u *url.URL) http.Header {
	if u.User == nil {
		return h
	}
	password, _ := u.User.Password()
	r := http.Request{Header: h.Clone()}
	if r.Header == nil {
		r.Header = make(http.Header, 1)
	}
	r.SetBasicAuth(u.User.Username(), password)
	u.User = nil
	return r.Header
}

// upgradable reports whether a connection that begins with polling may be
// upgraded.
func (o Options) upgradable() bool {
	return !o.DisableUpgrade && slices.Contains(o.Transports, engineio.Websocket)
}
