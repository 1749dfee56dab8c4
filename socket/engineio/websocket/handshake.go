package websocket

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// HandshakeError is a request that cannot become a websocket. Nothing has been
// answered yet.
type HandshakeError struct {
	// Code is the HTTP status to answer with: 400, 405, 426 or 500.
	Code int
	// Reason is a sentence for whoever reads the answer.
	Reason string
}

// Error implements error.
func (e *HandshakeError) Error() string { return "websocket handshake: " + e.Reason }

// WriteHeaders sets the headers that the answer needs beside its status: a 426
// names the version that is spoken.
func (e *HandshakeError) WriteHeaders(h http.Header) {
	if e.Code == http.StatusUpgradeRequired {
		h.Set("Sec-WebSocket-Version", "13")
	}
	if e.Code == http.StatusMethodNotAllowed {
		h.Set("Allow", http.MethodGet)
	}
}

// IsUpgrade reports whether the request asks for a websocket.
func IsUpgrade(r *http.Request) bool {
	return headerHas(r.Header, "Connection", "upgrade") && headerHas(r.Header, "Upgrade", "websocket")
}

// headerHas reports whether a header that is a list contains the token.
func headerHas(h http.Header, name, token string) bool {
	for _, line := range h[name] {
		for one := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(one), token) {
				return true
			}
		}
	}
	return false
}

// Upgrader turns requests into websockets.
type Upgrader struct {
	// Header is added to the answer. Nil: nothing.
	Header http.Header
	// Flate compresses and inflates for clients that offer it. Nil: compression
	// is declined.
	Flate *Flate
	// MaxMessage is the Decoder's Max.
	MaxMessage int64
}

// Upgrade takes the connection over from the HTTP server and answers the
// client. The answer is written alone: many clients listen for messages only
// once they have seen it, and would miss one that came along. An error is a
// *HandshakeError, or one of the connection, which is closed then.
func (u Upgrader) Upgrade(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	key, err := checkRequest(r)
	if err != nil {
		return nil, err
	}
	nc, buffers, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, &HandshakeError{http.StatusInternalServerError, "the connection cannot be taken over: " + err.Error()}
	}
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	c := &Conn{nc: nc, decoder: Decoder{Masked: true, Max: u.MaxMessage}, unread: buffered(buffers.Reader)}
	extension := ""
	if u.Flate != nil {
		if extension, c.window = acceptDeflate(r.Header); extension != "" {
			c.decoder.Flate = u.Flate
		}
	}
	c.protocol = firstProtocol(r.Header)
	if _, err := nc.Write(u.answer(key, c.protocol, extension)); err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	return c, nil
}

// checkRequest returns the key of a proper opening handshake (RFC 6455, clause
// 4.2.1).
func checkRequest(r *http.Request) (key string, err error) {
	key = r.Header.Get("Sec-Websocket-Key")
	switch {
	case r.Method != http.MethodGet:
		return "", &HandshakeError{http.StatusMethodNotAllowed, "the method must be GET"}
	case !r.ProtoAtLeast(1, 1), !IsUpgrade(r):
		return "", &HandshakeError{http.StatusBadRequest, "it must be HTTP 1.1 with Connection: Upgrade and Upgrade: websocket"}
	case r.Header.Get("Sec-Websocket-Version") != "13":
		return "", &HandshakeError{http.StatusUpgradeRequired, "Sec-WebSocket-Version must be 13"}
	case len(r.Header["Sec-Websocket-Key"]) != 1 || !isKey(key):
		return "", &HandshakeError{http.StatusBadRequest, "Sec-WebSocket-Key must be one value of 16 bytes in base64"}
	}
	return key, nil
}

func isKey(key string) bool {
	var b [18]byte
	n, err := base64.StdEncoding.Decode(b[:], []byte(key))
	return len(key) == 24 && err == nil && n == 16
}

// buffered returns what the client sent behind its request.
func buffered(r *bufio.Reader) []byte {
	n := r.Buffered()
	if n == 0 {
		return nil
	}
	b, _ := r.Peek(n) // it is there
	return append([]byte(nil), b...)
}

// firstProtocol returns the first of the protocols that the client offers, as
// Node's ws answers; nothing where the offer is not a list of tokens.
func firstProtocol(h http.Header) string {
	first, _, _ := strings.Cut(h.Get("Sec-Websocket-Protocol"), ",")
	if first = strings.TrimSpace(first); isToken(first) {
		return first
	}
	return ""
}

func (u Upgrader) answer(key, protocol, extension string) []byte {
	b := make([]byte, 0, 320)
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	b = appendAccept(b, key)
	b = append(b, "\r\n"...)
	if protocol != "" {
		b = fmt.Appendf(b, "Sec-WebSocket-Protocol: %s\r\n", protocol)
	}
	if extension != "" {
		b = fmt.Appendf(b, "Sec-WebSocket-Extensions: %s\r\n", extension)
	}
	for name, values := range u.Header {
		for _, v := range values {
			b = fmt.Appendf(b, "%s: %s\r\n", name, strings.NewReplacer("\r", " ", "\n", " ").Replace(v))
		}
	}
	return append(b, "\r\n"...)
}

// appendAccept appends the answer to a key (RFC 6455, clause 4.2.2).
func appendAccept(b []byte, key string) []byte {
	var buf [60]byte
	sum := sha1.Sum(append(append(buf[:0], key...), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	return base64.StdEncoding.AppendEncode(b, sum[:])
}

// Conn is one websocket. A server that writes frames itself uses NetConn and
// Next; other programs use ReadMessage, WriteMessage and Close.
type Conn struct {
	nc       net.Conn
	decoder  Decoder
	unread   []byte // of the last read
	buf      []byte // of ReadMessage
	window   int
	decoded  uint64 // bytes
	protocol string
}
