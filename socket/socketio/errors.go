package socketio

import (
	"errors"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// The errors that a program may meet. Those of limits are wrapped with the
// figure and the name of the option.
var (
	// ErrDisconnected is returned when a socket is or becomes disconnected.
	ErrDisconnected = errors.New("socketio: the socket is disconnected")
	// ErrReservedEvent is returned for an event that only the library itself
	// may emit: "connect", "connect_error", "disconnect", "disconnecting",
	// "newListener" and "removeListener".
	ErrReservedEvent = errors.New("socketio: the event name is reserved")
	// ErrTooManyRooms is returned by Socket.Join beyond Options.MaxRooms.
	ErrTooManyRooms = errors.New("socketio: too many rooms")
	// ErrTooManyAcks is returned by EmitWithAck beyond Options.MaxPendingAcks.
	ErrTooManyAcks = errors.New("socketio: too many acknowledgements are owed")
	// ErrTooManyNamespaces ends a connection beyond Options.MaxNamespaces.
	ErrTooManyNamespaces = errors.New("socketio: too many namespaces")
	// ErrTooMuchBinary ends a connection beyond Options.MaxAttachments or
	// MaxBinary.
	ErrTooMuchBinary = errors.New("socketio: too many or too large binary parts")
	// ErrTooDeep ends a connection beyond Options.MaxNesting.
	ErrTooDeep = errors.New("socketio: arrays and objects nest too deep")
	// ErrTooFast ends a connection beyond Options.MaxEventRate.
	ErrTooFast = errors.New("socketio: too many packets a second")
	// ErrMalformed ends a connection whose packet the protocol does not allow.
	ErrMalformed = errors.New("socketio: malformed packet")
	// ErrUnexpected ends a connection whose packet does not fit what the client
	// is connected to.
	ErrUnexpected = errors.New("socketio: a packet for a namespace that the client is not connected to, or a second CONNECT")
)

// errAdapter is what a program hears whose adapter panicked.
var errAdapter = errors.New("socketio: the adapter failed")

// The limits of this package, beside those of engineio; Server.Stats counts
// how often each was met. A client that meets one of the first four is
// disconnected.
const (
	// LimitBinary is Options.MaxBinary or MaxAttachments.
	LimitBinary engineio.Limit = "binary parts"
	// LimitNesting is Options.MaxNesting.
	LimitNesting engineio.Limit = "nesting"
	// LimitNamespaces is Options.MaxNamespaces.
	LimitNamespaces engineio.Limit = "namespaces"
	// LimitEvents is Options.MaxEventRate.
	LimitEvents engineio.Limit = "event rate"
	// LimitRooms is Options.MaxRooms: Join returns an error.
	LimitRooms engineio.Limit = "rooms"
	// LimitAcks is Options.MaxPendingAcks: EmitWithAck returns an error.
	LimitAcks engineio.Limit = "pending acknowledgements"
)

// limitOf returns the limit whose error err is; empty for any other error.
func limitOf(err error) engineio.Limit {
	switch {
	case errors.Is(err, ErrTooMuchBinary):
		return LimitBinary
	case errors.Is(err, ErrTooDeep):
		return LimitNesting
	case errors.Is(err, ErrTooManyNamespaces):
		return LimitNamespaces
	case errors.Is(err, ErrTooFast):
		return LimitEvents
	case errors.Is(err, ErrTooManyRooms):
		return LimitRooms
	case errors.Is(err, ErrTooManyAcks):
		return LimitAcks
	}
	return ""
}
