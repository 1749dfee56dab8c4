package websocket

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// Status says why a connection is closed (RFC 6455, clause 7.4).
type Status uint16

// The statuses that this package or a server on it sends.
const (
	StatusNormal    Status = 1000
	StatusGoingAway Status = 1001
	StatusProtocol  Status = 1002 // the peer broke the protocol
	StatusNone      Status = 1005 // a close frame without a status; never sent
	StatusInvalid   Status = 1007 // text that is not UTF-8, or not what compression allows
	StatusTooLarge  Status = 1009
)

// sendable reports whether a close frame may carry the status: those that are
// registered, and those for libraries and applications.
func (s Status) sendable() bool {
	switch {
	case s >= 3000 && s <= 4999:
		return true
	case s >= 1000 && s <= 1014:
		return s != 1004 && s != 1005 && s != 1006
	}
	return false
}

// Error is a mistake of the peer. The connection is to be closed with its
// Status; nothing that follows can be understood.
type Error struct {
	Status Status
	Reason string
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("websocket: %s (%d)", e.Reason, e.Status)
}

func broken(reason string) error { return &Error{StatusProtocol, reason} }

// CloseError is the end of a connection whose peer closed it with a close
// frame.
type CloseError struct {
	Status Status // StatusNone where the frame had none
	Reason string
}

// Error implements error.
func (e *CloseError) Error() string {
	return fmt.Sprintf("websocket: closed by the peer (%d %s)", e.Status, e.Reason)
}

// ParseClose takes the payload of a close frame apart.
func ParseClose(payload []byte) (Status, string, error) {
	switch len(payload) {
	case 0:
		return StatusNone, "", nil
	case 1:
		return 0, "", broken("a close frame with half a status")
	}
	status := Status(binary.BigEndian.Uint16(payload))
	if !status.sendable() {
		return 0, "", broken("a close frame with a status that must not be sent")
	}
	if !utf8.Valid(payload[2:]) {
		return 0, "", &Error{StatusInvalid, "a close frame whose reason is not UTF-8"}
	}
	return status, string(payload[2:]), nil
}

// cutText cuts a text to at most n bytes, between characters.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// wholeText returns how many bytes of b are whole characters: all but the
// beginning of one that is cut off at the end.
func wholeText(b []byte) int {
	for i := len(b) - 1; i >= 0 && i > len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}
