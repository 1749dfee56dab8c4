package socketio

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/devops-insights/devops-insights/store/jsjson"
)

// Handshake is what a client brought along when it connected.
type Handshake struct {
	Headers http.Header
	Query   url.Values
	URL     string // path and query of the request
	Address string // of the client, without port
	Time    time.Time
	XDomain bool // the request came from a page of another origin
	Secure  bool // it came over TLS
	Auth    json.RawMessage
}

// SocketInfo describes a socket to other servers.
type SocketInfo struct {
	ID        string
	Handshake Handshake
	// Rooms begin with the socket's id.
	Rooms []string
	// Data is what Socket.SetData kept, as JSON; nil where nothing was.
	Data json.RawMessage
}

// Handshake returns what the client brought along.
func (s *Socket) Handshake() Handshake {
	r := s.Request()
	address := ""
	if a := s.client.session.RemoteAddr(); a.IsValid() {
		address = a.String()
	}
	return Handshake{
		Headers: r.Header, Query: r.URL.Query(), URL: r.URL.RequestURI(), Address: address,
		Time: s.since, XDomain: r.Header.Get("Origin") != "", Secure: r.TLS != nil, Auth: s.auth,
	}
}

// Info describes the socket.
func (s *Socket) Info() SocketInfo {
	info := SocketInfo{ID: s.id, Handshake: s.Handshake(), Rooms: s.Rooms()}
	if data := s.Data(); data != nil {
		info.Data, _ = jsjson.Marshal(data) // what cannot be encoded is not told
	}
	return info
}
