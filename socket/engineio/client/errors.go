package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// Reason says in one word or two why a connection ended, as the JavaScript
// client does.
type Reason string

// The reasons a connection can end with.
const (
	// ReasonTransportClose is a connection that the server closed.
	ReasonTransportClose Reason = "transport close"
	// ReasonTransportError is a connection that broke.
	ReasonTransportError Reason = "transport error"
	// ReasonPingTimeout is a server that sent no heartbeat in time.
	ReasonPingTimeout Reason = "ping timeout"
	// ReasonParseError is a server that sent what the protocol does not allow.
	ReasonParseError Reason = "parse error"
	// ReasonForcedClose is Conn.Close.
	ReasonForcedClose Reason = "forced close"
)

// CloseError is what Receive and Send return when the connection has ended.
type CloseError struct {
	Reason Reason
	// Err is the cause, nil where there is none beyond the reason.
	Err error
}

// Error returns the reason and the cause.
func (e *CloseError) Error() string {
	if e.Err == nil {
		return "the connection has ended: " + string(e.Reason)
	}
	return fmt.Sprintf("the connection has ended: %s: %v", e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *CloseError) Unwrap() error { return e.Err }

// ErrUnsent is returned by Send when Options.MaxUnsent bytes wait already.
var ErrUnsent = errors.New("the server does not read: too much waits to be sent (MaxUnsent)")

// ErrTooLarge is the cause when the server sent more than Options.MaxPayload.
var ErrTooLarge = errors.New("the server sent more at once than is allowed (MaxPayload)")

// StatusError is a request or handshake that the server refused.
type StatusError struct {
	Status int
	// Message is the server's, where it is an Engine.IO error answer; at most
	// 200 bytes of it.
	Message string
}

// Error names the status and the message.
func (e *StatusError) Error() string {
	text := "the server answered " + strconv.Itoa(e.Status)
	if e.Message != "" {
		text += ": " + strconv.Quote(e.Message)
	}
	return text
}

const maxMessageText = 200

// statusError reads the beginning of an answer that is not the expected one.
func statusError(resp *http.Response) error {
	e := &StatusError{Status: resp.StatusCode}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	var answer struct{ Message string }
	if json.Unmarshal(body, &answer) == nil {
		e.Message = answer.Message[:min(len(answer.Message), maxMessageText)]
	}
	return e
}

// withoutAddress leaves the address out of an error: its query and user
// information may hold a secret.
func withoutAddress(err error) error {
	if of := (&url.Error{}); errors.As(err, &of) {
		return of.Err
	}
	return err
}
