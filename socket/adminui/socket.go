package adminui

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/socket/internal/discreet"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// link is what Node's servers tell each other of a socket within its data.
type link struct{ socket *socketio.Socket }

// linkData is its form: which connection it has, and over which transport.
type linkData struct {
	Client    string `json:"clientId"`
	Transport string `json:"transport"`
}

// MarshalJSON implements json.Marshaler; nothing else of the data is told.
func (l link) MarshalJSON() ([]byte, error) {
	if l.socket == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(map[string]linkData{"_admin": l.data()})
}

func (l link) data() linkData {
	session := l.socket.Session()
	return linkData{clientID(session.ID()), session.Transport()}
}

// clientID is the part of a session's id that the UI tells connections apart by.
func clientID(session string) string { return session[:min(12, len(session))] }

// shown is a socket as the UI has it.
type shown struct {
	ID        string          `json:"id"`
	Client    string          `json:"clientId"`
	Transport string          `json:"transport"`
	Namespace string          `json:"nsp"`
	Data      json.RawMessage `json:"data"`
	Handshake handshake       `json:"handshake"`
	Rooms     []string        `json:"rooms"`
}

type handshake struct {
	Address string            `json:"address"`
	Headers map[string]string `json:"headers"`
	Query   map[string]string `json:"query"`
	Issued  int64             `json:"issued"` // milliseconds since 1970
	Secure  bool              `json:"secure"`
	Time    string            `json:"time"`
	URL     string            `json:"url"`
	XDomain bool              `json:"xdomain"`
}

// The bounds of what is shown of one socket.
const (
	maxShownText  = 512 // bytes of a header, a URL and so on
	maxShownItems = 50  // headers, parameters, rooms
	maxShownData  = 4096
)

// showLocal describes a socket of this server.
func showLocal(s *socketio.Socket) shown {
	l := link{s}.data()
	h := s.Handshake()
	one := show(socketio.SocketInfo{ID: s.ID(), Handshake: h, Rooms: s.Rooms(), Data: dataOf(s)}, s.Namespace().Name())
	one.Client, one.Transport = l.Client, l.Transport
	return one
}

// dataOf returns what the program keeps with a socket. What cannot be encoded, in
// whatever way, is not shown.
func dataOf(s *socketio.Socket) (data json.RawMessage) {
	defer func() {
		if recover() != nil {
			data = nil
		}
	}()
	v := s.Data()
	if v == nil {
		return nil
	}
	data, err := jsjson.Marshal(v)
	if err != nil {
		return nil
	}
	return data
}

// showRemote describes a socket of another server.
func showRemote(info socketio.SocketInfo, namespace string) shown {
	one := show(info, namespace)
	// Behind a proxy Node knows only the proxy's address.
	for _, name := range []string{"X-Forwarded-For", "Cf-Connecting-Ip"} {
		if address := info.Handshake.Headers.Get(name); address != "" {
			one.Handshake.Address = cut(address)
		}
	}
	return one
}

func show(info socketio.SocketInfo, namespace string) shown {
	h := info.Handshake
	at := h.Time.UTC()
	l, data := splitData(info.Data)
	return shown{
		ID: info.ID, Client: l.Client, Transport: l.Transport, Namespace: namespace, Data: data,
		Rooms: firstTexts(info.Rooms),
		Handshake: handshake{
			Address: cut(h.Address), Headers: headersOf(h.Headers), Query: queryOf(h.Query), Issued: at.UnixMilli(),
			Secure: h.Secure, Time: at.Format(time.RFC1123), URL: cut(discreet.URL(h.URL)), XDomain: h.XDomain,
		},
	}
}

// splitData takes apart what Node's servers tell each other and what the program
// keeps.
func splitData(data json.RawMessage) (l linkData, rest json.RawMessage) {
	none := json.RawMessage("{}")
	var members map[string]json.RawMessage
	if len(data) > maxShownData || json.Unmarshal(data, &members) != nil {
		return l, none
	}
	_ = json.Unmarshal(members["_admin"], &l) // what is of another form tells nothing
	l.Client, l.Transport = cut(clientID(l.Client)), cut(l.Transport)
	delete(members, "_admin")
	rest, err := jsjson.Marshal(members)
	if err != nil || members == nil || !bytes.HasPrefix(rest, []byte("{")) {
		return l, none
	}
	return l, jsjson.Valid(rest)
}

func headersOf(h http.Header) map[string]string {
	all := make(map[string]string)
	for name, values := range h {
		if len(all) < maxShownItems && !discreet.IsSecret(name) {
			all[cut(strings.ToLower(name))] = cut(strings.Join(values, ", "))
		}
	}
	return all
}

func queryOf(q url.Values) map[string]string {
	all := make(map[string]string)
	for name, values := range q {
		if len(all) < maxShownItems && !discreet.IsSecret(name) {
			all[cut(name)] = cut(strings.Join(values, ", "))
		}
	}
	return all
}

func firstTexts(rooms []string) []string {
	all := []string{}
	for _, room := range rooms[:min(len(rooms), maxShownItems)] {
		all = append(all, cut(room))
	}
	return all
}

// cut bounds a text.
func cut(text string) string {
	if len(text) > maxShownText {
		text = text[:maxShownText] + "…"
	}
	return strings.ToValidUTF8(text, "\ufffd")
}
