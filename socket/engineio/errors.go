package engineio

import (
	"encoding/json"
	"errors"
	"net/http"
)

// errorCode is a code of the Engine.IO error answers.
type errorCode int

const (
	codeUnknownTransport errorCode = iota
	codeUnknownSID
	codeBadMethod
	codeBadRequest
	codeForbidden
	codeBadProtocol
)

func (c errorCode) String() string {
	return [...]string{
		"Transport unknown", "Session ID unknown", "Bad handshake method",
		"Bad request", "Forbidden", "Unsupported protocol version",
	}[c]
}

// ErrClosed is returned by Send on a session that has ended.
var ErrClosed = errors.New("engineio: the session is closed")

// ErrSlow is returned by Send when the client's backlog is full and the
// session was ended for it.
var ErrSlow = errors.New("engineio: the client does not read: its backlog is full")

// ErrTooLarge is returned by Send for a message that is larger than
// Options.MaxBacklog. The session goes on.
var ErrTooLarge = errors.New("engineio: the message is too large")

// ErrNotUTF8 is returned by Send for a text message whose data is not UTF-8:
// clients end the connection for such text. The session goes on.
var ErrNotUTF8 = errors.New("engineio: the text message is not UTF-8")

// ErrUnavailable marks an error of AllowRequest as temporary.
var ErrUnavailable = errors.New("try again, or another server")

// writeError answers 400 with the code and its text, as Node does.
func writeError(w http.ResponseWriter, code errorCode) {
	writeRefusal(w, http.StatusBadRequest, code, code.String())
}

func writeRefusal(w http.ResponseWriter, status int, code errorCode, message string) {
	body, _ := json.Marshal(struct {
		Code    errorCode `json:"code"`
		Message string    `json:"message"`
	}{code, message})
	w.Header().Set("Content-Type", "application/json")
	writeShort(w, status, body)
}

// writeUnavailable sends a client to another server. Clients take it for a lost
// transport and connect again, which they would not all do after a close packet.
func writeUnavailable(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	writeRefusal(w, http.StatusServiceUnavailable, codeForbidden, "The server is stopping")
}
