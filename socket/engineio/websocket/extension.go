package websocket

import (
	"math"
	"net/http"
	"strconv"
	"strings"
)

// extension is one entry of Sec-WebSocket-Extensions.
type extension struct {
	name   string
	params []param
}

type param struct {
	name, value string
	valued      bool
}

// parseExtensions takes the header apart (RFC 6455, clause 9.1). It reports
// false where the header is not of that form.
func parseExtensions(h http.Header) (all []extension, ok bool) {
	p := scanner{strings.Join(h.Values("Sec-Websocket-Extensions"), ",")}
	for p.skip(','); p.rest != ""; p.skip(',') {
		e := extension{name: p.token()}
		if e.name == "" {
			return nil, false
		}
		for p.next(';') {
			one := param{name: p.token()}
			if one.valued = p.next('='); one.valued {
				one.value = p.value()
			}
			if one.name == "" || one.valued && one.value == "" {
				return nil, false
			}
			e.params = append(e.params, one)
		}
		all = append(all, e)
		if p.rest != "" && !p.next(',') {
			return nil, false
		}
	}
	return all, true
}

// scanner reads a header from front to back.
type scanner struct{ rest string }

func (p *scanner) space() { p.rest = strings.TrimLeft(p.rest, " \t") }

// skip passes over spaces and any number of c.
func (p *scanner) skip(c byte) {
	for p.next(c) {
	}
}

// next passes over spaces and c, and reports whether c was there.
func (p *scanner) next(c byte) bool {
	p.space()
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	p.space()
	return true
}

// token returns the token in front, or nothing.
func (p *scanner) token() string {
	p.space()
	n := 0
	for n < len(p.rest) && isTokenByte(p.rest[n]) {
		n++
	}
	t := p.rest[:n]
	p.rest = p.rest[n:]
	return t
}

// value returns a token that may stand in quotes.
func (p *scanner) value() string {
	if !p.next('"') {
		return p.token()
	}
	t := p.token()
	if !p.next('"') {
		return ""
	}
	return t
}

func isTokenByte(c byte) bool {
	switch {
	case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

const (
	deflateName = "permessage-deflate"
	// noContext is an offer, or the answer to one, to work without context
	// takeover on either side.
	noContext = deflateName + "; server_no_context_takeover; client_no_context_takeover"
)

// fullWindow is the largest sliding window, in bits.
const fullWindow = 15

// deflateOffer is an offer of permessage-deflate, or the answer to one (RFC
// 7692, clause 7.1).
type deflateOffer struct {
	serverWindow, clientWindow               int // bits; 0: not named
	clientWindowHint                         bool
	serverNoContext, clientNoContextTakeover bool
}

// parseDeflate returns false for parameters that are unknown, doubled, or of
// another form than theirs.
func parseDeflate(e extension) (o deflateOffer, ok bool) {
	seen := make(map[string]bool, len(e.params))
	for _, p := range e.params {
		if seen[p.name] {
			return o, false
		}
		seen[p.name] = true
		switch p.name {
		case "server_no_context_takeover":
			o.serverNoContext = true
		case "client_no_context_takeover":
			o.clientNoContextTakeover = true
		case "server_max_window_bits":
			o.serverWindow = windowBits(p.value)
		case "client_max_window_bits":
			o.clientWindow, o.clientWindowHint = windowBits(p.value), true
		default:
			return o, false
		}
		switch window := strings.HasSuffix(p.name, "_bits"); {
		case !window && p.valued, window && p.valued && windowBits(p.value) == 0:
			return o, false
		case p.name == "server_max_window_bits" && !p.valued:
			return o, false
		}
	}
	return o, true
}

// windowBits returns 0 for what is no size of a window.
func windowBits(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 8 || n > fullWindow || s != strconv.Itoa(n) {
		return 0
	}
	return n
}

// acceptDeflate answers the first offer of compression that can be honoured;
// without one, the answer is empty. window is the largest message that may be
// compressed for this client: within it, no distance exceeds the window that
// the client has. Both sides work without context takeover.
func acceptDeflate(h http.Header) (answer string, window int) {
	all, ok := parseExtensions(h)
	if !ok {
		return "", 0
	}
	for _, e := range all {
		if e.name != deflateName {
			continue
		}
		o, ok := parseDeflate(e)
		if !ok {
			continue
		}
		answer = noContext
		if o.serverWindow == 0 {
			return answer, math.MaxInt
		}
		answer += "; server_max_window_bits=" + strconv.Itoa(o.serverWindow)
		if o.serverWindow == fullWindow {
			return answer, math.MaxInt
		}
		return answer, 1 << o.serverWindow
	}
	return "", 0
}
