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
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
