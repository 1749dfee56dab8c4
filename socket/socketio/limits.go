package socketio

import "github.com/devops-insights/devops-insights/socket/engineio"

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

// limitError is a packet that goes beyond a limit.
type limitError struct {
	limit engineio.Limit
	error
}

// nested reports whether JSON text nests arrays and objects deeper than most.
func nested(b []byte, most int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > most {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}
