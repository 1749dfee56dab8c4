package client

import (
	"encoding/json"
	"errors"
	"fmt"

	engine "github.com/devops-insights/devops-insights/socket/engineio/client"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

// Reason says why a socket was disconnected, in the words of the JavaScript
// client.
type Reason string

// The reasons of a disconnection. After the first two the client does not
// reconnect by itself.
const (
	ReasonServerDisconnect Reason = "io server disconnect"
	ReasonClientDisconnect Reason = "io client disconnect"
	ReasonTransportClose          = Reason(engine.ReasonTransportClose)
	ReasonTransportError          = Reason(engine.ReasonTransportError)
	ReasonPingTimeout             = Reason(engine.ReasonPingTimeout)
	ReasonParseError              = Reason(engine.ReasonParseError)
)

var (
	// ErrClosed is returned when the client is or becomes closed.
	ErrClosed = errors.New("socketio client: the client is closed")
	// ErrDisconnected is returned when the socket is or becomes disconnected.
	ErrDisconnected = errors.New("socketio client: the socket is disconnected")
	// ErrBuffered is returned by Emit when Options.MaxBuffered bytes of events
	// wait for a connection already.
	ErrBuffered = errors.New("socketio client: too many events wait for a connection (MaxBuffered)")
	// ErrGaveUp is returned by Connect, and told to OnConnectError, when
	// Options.ReconnectAttempts have failed.
	ErrGaveUp = errors.New("socketio client: no further attempt to connect (ReconnectAttempts)")
)

// ConnectError is the refusal of a namespace: of its middleware, or because it
// does not exist. The client does not ask again by itself.
type ConnectError struct {
	Namespace string
	// Message is the server's.
	Message string
	// Data is what the server gave beside the message, nil for nothing.
	Data json.RawMessage
}

// Error names the namespace and the message.
func (e *ConnectError) Error() string {
	return fmt.Sprintf("socketio client: the namespace %q refused: %s", e.Namespace, e.Message)
}

func refusal(p *socketio.Packet) *ConnectError {
	e := &ConnectError{Namespace: p.Namespace}
	var payload struct {
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	}
	if json.Unmarshal(p.Data, &payload) != nil {
		_ = json.Unmarshal(p.Data, &payload.Message) // a text alone
	}
	e.Message, e.Data = payload.Message, payload.Data
	return e
}
