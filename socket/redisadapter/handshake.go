package redisadapter

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/socket/internal/discreet"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

// socketInfo is how Node tells other servers of a socket.
type socketInfo struct {
	ID        string          `json:"id"`
	Handshake handshake       `json:"handshake"`
	Rooms     []roomName      `json:"rooms"`
	Data      json.RawMessage `json:"data"`
}

type handshake struct {
	Headers map[string]values `json:"headers"`
	Time    string            `json:"time"`
	Address string            `json:"address"`
	XDomain bool              `json:"xdomain"`
	Secure  bool              `json:"secure"`
	Issued  int64             `json:"issued"` // milliseconds since 1970
	URL     string            `json:"url"`
	Query   map[string]values `json:"query"`
	Auth    json.RawMessage   `json:"auth"`
}

// values are one text, or several as a list.
type values []string

// MarshalJSON writes a single value as a text.
func (v values) MarshalJSON() ([]byte, error) {
	if len(v) == 1 {
		return json.Marshal(v[0])
	}
	return json.Marshal([]string(v))
}

// UnmarshalJSON reads a text or a list of texts; what is neither is left out,
// since a header of somebody's own kind must not hide the socket.
func (v *values) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*v = values{one}
		return nil
	}
	var all []string
	_ = json.Unmarshal(b, &all) // see above
	*v = all
	return nil
}

// dateLayout is the text of a Date in JavaScript.
const dateLayout = "Mon Jan 02 2006 15:04:05 GMT-0700"

func encodeSockets(sockets []socketio.SocketInfo) *[]socketInfo {
	list := make([]socketInfo, 0, len(sockets))
	for _, s := range sockets {
		h := s.Handshake
		at := h.Time.UTC()
		list = append(list, socketInfo{
			ID: s.ID, Rooms: toRoomNames(s.Rooms), Data: orEmpty(s.Data),
			Handshake: handshake{
				Headers: encodeHeaders(h.Headers), Time: at.Format(dateLayout) + " (Coordinated Universal Time)",
				Address: h.Address, XDomain: h.XDomain, Secure: h.Secure, Issued: at.UnixMilli(),
				URL: discreet.URL(h.URL), Query: encodeQuery(h.Query), Auth: discreet.Auth(h.Auth),
			},
		})
	}
	return &list
}

func orEmpty(text json.RawMessage) json.RawMessage {
	if len(text) == 0 {
		return json.RawMessage("{}")
	}
	return text
}

// encodeHeaders writes headers as Node keeps them, names in lower case, values
// of one name joined; without those that hold a secret.
func encodeHeaders(h http.Header) map[string]values {
	all := make(map[string]values, len(h))
	for name, v := range h {
		if !discreet.IsSecret(name) {
			all[strings.ToLower(name)] = values{strings.Join(v, ", ")}
		}
	}
	return all
}

func encodeQuery(q url.Values) map[string]values {
	all := make(map[string]values, len(q))
	for name, v := range q {
		if !discreet.IsSecret(name) {
			all[name] = slices.Clone(v)
		}
	}
	return all
}

func decodeSockets(list []socketInfo) []socketio.SocketInfo {
	sockets := make([]socketio.SocketInfo, 0, len(list))
	for _, s := range list {
		h := s.Handshake
		header := make(http.Header, len(h.Headers))
		for name, v := range h.Headers {
			header[http.CanonicalHeaderKey(name)] = v
		}
		query := make(url.Values, len(h.Query))
		for name, v := range h.Query {
			query[name] = v
		}
		sockets = append(sockets, socketio.SocketInfo{
			ID: s.ID, Rooms: toStrings(s.Rooms), Data: s.Data,
			Handshake: socketio.Handshake{
				Headers: header, Query: query, URL: h.URL, Address: h.Address, Time: time.UnixMilli(h.Issued).UTC(),
				XDomain: h.XDomain, Secure: h.Secure, Auth: h.Auth,
			},
		})
	}
	return sockets
}
