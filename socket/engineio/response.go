package engineio

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// writePoll answers a poll with the messages.
func (s *Session) writePoll(w http.ResponseWriter, r *http.Request, q query, messages []*Message) error {
	body, kind, zipped := []byte(nil), "text/plain; charset=UTF-8", false
	own := s.protocol == 3 || q.jsonp || len(messages) > 1
	if s.protocol == 3 {
		var binary bool
		if body, binary = encodePayload3(messages, s.base64); binary {
			kind = "application/octet-stream"
		}
	} else {
		body = encodePayload(messages)
	}
	if q.jsonp {
		body, kind = callback(q.index, body), "text/javascript; charset=UTF-8"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	compress := slices.ContainsFunc(messages, func(m *Message) bool { return !m.NoCompress })
	if least := s.server.opts.PollCompression; compress && least > 0 && len(body) >= least && acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		h.Add("Vary", "Accept-Encoding")
		body, own, zipped = s.server.zip(body), true, true
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	err := s.sendBody(w, body, own)
	if err == nil {
		s.mu.Lock()
		s.sent(len(messages), len(body), zipped)
		s.mu.Unlock()
	}
	return err
}

func acceptsGzip(r *http.Request) bool {
	for one := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, quality, _ := strings.Cut(one, ";")
		if name = strings.TrimSpace(name); name == "gzip" || name == "*" {
			q := strings.TrimPrefix(strings.ReplaceAll(quality, " ", ""), "q=")
			value, err := strconv.ParseFloat(q, 64)
			return err != nil || value > 0
		}
	}
	return false
}

func (srv *Server) zip(body []byte) []byte {
	zipper, ok := srv.zippers.Get().(*gzip.Writer)
	if !ok {
		zipper, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level exists
	}
	var buf bytes.Buffer
	zipper.Reset(&buf)
	_, _ = zipper.Write(body) // a buffer takes everything
	_ = zipper.Close()
	srv.zippers.Put(zipper)
	return buf.Bytes()
}

// callback wraps a payload for browsers without cross-origin requests (JSON-P):
// a script that hands the text to the client's function of that index.
func callback(index string, payload []byte) []byte {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, index)
	text, _ := json.Marshal(string(payload)) // a string always encodes, U+2028 escaped
	return slices.Concat([]byte("___eio["+digits+"]("), text, []byte(");"))
}

// formPayload takes the payload out of the form that a JSON-P client posts. It
// writes a line feed as \n, and what was \n before as \\n.
func formPayload(body []byte) []byte {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil
	}
	const kept = "\x00"
	text := strings.ReplaceAll(form.Get("d"), `\\n`, kept)
	text = strings.ReplaceAll(text, `\n`, "\n")
	return []byte(strings.ReplaceAll(text, kept, `\n`))
}
