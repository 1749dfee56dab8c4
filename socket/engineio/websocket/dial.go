package websocket

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
)

// Dialer connects to servers. The zero value of every field is usable.
type Dialer struct {
	// Header is sent with the handshake.
	Header http.Header
	// Protocols are offered, the favourite first.
	Protocols []string
	// Flate compresses and inflates; with it, compression is offered. Nil: it is
	// not.
	Flate *Flate
	// MaxMessage is the Decoder's Max.
	MaxMessage int64
	// Client makes the request of the handshake: its Transport, an
	// *http.Transport, brings the proxy, TLS and the connection, its Jar the
	// cookies. Redirects are not followed, and its Timeout does not count. Nil:
	// http.DefaultClient.
	Client *http.Client
}

// ErrHandshake is a server's answer that does not open a websocket.
var ErrHandshake = errors.New("websocket: the server does not open a websocket")

// maxRefusal bounds what is kept of the body of an answer other than 101.
const maxRefusal = 4 << 10

// Dial connects to a URL that begins with ws, wss, http or https; ctx bounds
// the handshake. Where the server does not open a websocket, the error wraps
// ErrHandshake, and its answer is returned with it, and the beginning of the
// body. No error holds the address.
func (d Dialer) Dial(ctx context.Context, address string) (*Conn, *http.Response, error) {
	var nc net.Conn
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { nc = i.Conn }})
	req, key, err := d.request(ctx, address)
	if err != nil {
		return nil, nil, withoutAddress(err)
	}
	client := *cmp.Or(d.Client, http.DefaultClient)
	client.Timeout = 0 // it would end the connection
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, withoutAddress(err)
	}
	stream, ok := resp.Body.(io.ReadWriteCloser)
	if resp.StatusCode != http.StatusSwitchingProtocols || !ok || nc == nil {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		_ = resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(text))
		return nil, resp, fmt.Errorf("%w: it answered %s", ErrHandshake, resp.Status)
	}
	resp.Body = http.NoBody
	c := &Conn{nc: clientConn{nc, stream}, decoder: Decoder{Max: d.MaxMessage}}
	if err := d.check(c, resp, key); err != nil {
		return nil, resp, errors.Join(err, stream.Close())
	}
	return c, resp, nil
}

// clientConn is a connection whose first bytes the HTTP client has read
// already: they come from the stream.
type clientConn struct {
	net.Conn
	stream io.ReadWriteCloser
}

// Read implements net.Conn.
func (c clientConn) Read(b []byte) (int, error) { return c.stream.Read(b) }

// Write implements net.Conn.
func (c clientConn) Write(b []byte) (int, error) { return c.stream.Write(b) }

// Close implements net.Conn.
func (c clientConn) Close() error { return c.stream.Close() }

// withoutAddress leaves the address out of an error: it may hold a secret.
func withoutAddress(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// request returns the opening handshake and its key.
func (d Dialer) request(ctx context.Context, address string) (req *http.Request, key string, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, "", errors.New("websocket: the address is not a URL")
	}
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	case "http", "https":
	default:
		return nil, "", fmt.Errorf("websocket: the scheme %q is unknown: allowed are ws, wss, http and https", u.Scheme)
	}
	req, err = http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, "", err
	}
	for name, values := range d.Header {
		req.Header[name] = values
	}
	if host := d.Header.Get("Host"); host != "" {
		req.Host = host
	}
	var random [16]byte
	_, _ = rand.Read(random[:])
	key = base64.StdEncoding.EncodeToString(random[:])
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Sec-WebSocket-Key", key)
	req.Header.Set("Sec-WebSocket-Version", "13")
	if len(d.Protocols) > 0 {
		req.Header.Set("Sec-WebSocket-Protocol", strings.Join(d.Protocols, ", "))
	}
	if d.Flate != nil {
		req.Header.Set("Sec-WebSocket-Extensions", noContext)
	}
	return req, key, nil
}

// check judges the server's answer (RFC 6455, clause 4.1).
func (d Dialer) check(c *Conn, resp *http.Response, key string) error {
	switch {
	case !IsUpgrade(&http.Request{Header: resp.Header}):
		return fmt.Errorf("%w: its answer does not upgrade the connection", ErrHandshake)
	case resp.Header.Get("Sec-Websocket-Accept") != string(appendAccept(nil, key)):
		return fmt.Errorf("%w: its answer belongs to another handshake", ErrHandshake)
	}
	if c.protocol = resp.Header.Get("Sec-Websocket-Protocol"); c.protocol != "" && !headerHas(http.Header{"P": d.Protocols}, "P", c.protocol) {
		return fmt.Errorf("%w: it answered with a protocol that was not offered", ErrHandshake)
	}
	all, ok := parseExtensions(resp.Header)
	switch {
	case !ok, len(all) > 1, len(all) == 1 && (d.Flate == nil || all[0].name != deflateName):
		return fmt.Errorf("%w: it answered with an extension that was not offered", ErrHandshake)
	case len(all) == 0:
		return nil
	}
	o, ok := parseDeflate(all[0])
	if !ok || !o.serverNoContext || o.clientWindowHint {
		return fmt.Errorf("%w: it answered with parameters of compression that were not offered", ErrHandshake)
	}
	c.decoder.Flate, c.window = d.Flate, math.MaxInt
	return nil
}
