package socketio

import (
	"errors"
	"slices"
	"strings"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// The codes that the end of a connection can have beside those of engineio; see
// engineio.SessionInfo.
const (
	// CodeNoNamespace: it joined no namespace within Options.ConnectTimeout.
	CodeNoNamespace engineio.Code = "NO_NAMESPACE"
	// CodeUnexpected: a packet did not fit what the client was connected to.
	CodeUnexpected engineio.Code = "UNEXPECTED_PACKET"
	// CodeRecovered: the client came back over another connection.
	CodeRecovered engineio.Code = "RECOVERED_ELSEWHERE"
	// CodeFault: a function of the program panicked over a message.
	CodeFault engineio.Code = "SERVER_FAULT"
	// CodeEventRate: more packets a second than Options.MaxEventRate.
	CodeEventRate engineio.Code = "EVENT_RATE"
	// CodeBinary: past Options.MaxBinary or MaxAttachments.
	CodeBinary engineio.Code = "BINARY_PARTS"
	// CodeNesting: past Options.MaxNesting.
	CodeNesting engineio.Code = "NESTING"
	// CodeNamespaces: past Options.MaxNamespaces.
	CodeNamespaces engineio.Code = "NAMESPACES"
)

// Codes returns the codes that a connection can end with: those of engineio and
// those of this package.
func Codes() []engineio.Code {
	return append(engineio.Codes(),
		CodeNoNamespace, CodeUnexpected, CodeRecovered, CodeFault, CodeEventRate, CodeBinary, CodeNesting, CodeNamespaces)
}

// codeOf returns the code of a connection that is refused with err.
func codeOf(err error) engineio.Code {
	switch {
	case errors.Is(err, ErrTooFast):
		return CodeEventRate
	case errors.Is(err, ErrTooMuchBinary):
		return CodeBinary
	case errors.Is(err, ErrTooDeep):
		return CodeNesting
	case errors.Is(err, ErrTooManyNamespaces):
		return CodeNamespaces
	default:
		return engineio.CodeParse
	}
}

// Sessions returns the open connections, in no order.
func (srv *Server) Sessions() []*engineio.Session { return srv.engine.Sessions() }

// Tap lets f see every packet until stop is called; see engineio.Server.Tap.
func (srv *Server) Tap(f func(engineio.TapEvent)) (stop func()) { return srv.engine.Tap(f) }

// SocketsOf returns the sockets of a connection of a Server, in no order; after
// its end, those that it had then. When an engineio.Observer hears of the end
// they are still in their rooms.
func SocketsOf(s *engineio.Session) []*Socket {
	c, ok := s.Owner().(*client)
	if !ok {
		return nil
	}
	return c.all()
}

// Member is a socket and the rooms that it is in.
type Member struct {
	// ID is the whole id: whoever knows it may be able to take the place of the
	// client. Show the beginning only.
	ID        string
	Namespace string
	// Rooms are those that it has joined, without its id.
	Rooms []string
}

// Members describes the sockets of a connection of a Server, in the order of
// their namespaces. Where none is left, it is the one that left last, as it was.
func Members(s *engineio.Session) []Member {
	c, ok := s.Owner().(*client)
	if !ok {
		return nil
	}
	var found []Member
	for _, socket := range c.all() {
		found = append(found, socket.membership())
	}
	if len(found) == 0 {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.former.ID != "" {
			found = append(found, c.former)
		}
	}
	slices.SortFunc(found, func(a, b Member) int { return strings.Compare(a.Namespace, b.Namespace) })
	return found
}

func (s *Socket) membership() Member {
	return Member{ID: s.id, Namespace: s.namespace.name, Rooms: s.namespace.rooms.of(s)}
}
