package engineio

import (
	"errors"
	"os"
)

// Code says why a session ended: one stable word, in more detail than the
// Reason, whose words are those of Node. Packages above have codes of their
// own, see Session.CloseFor.
type Code string

// The codes a session can end with.
const (
	// CodeTransportClose: the client closed the connection, or has gone.
	CodeTransportClose Code = "TRANSPORT_CLOSE"
	// CodeClient: the same, after the client had said that it leaves.
	CodeClient Code = "CLIENT_DISCONNECT"
	// CodeTransportError: the connection broke, or a request was not allowed.
	CodeTransportError Code = "TRANSPORT_ERROR"
	// CodePingTimeout: no pong came within Options.PingTimeout.
	CodePingTimeout Code = "PING_TIMEOUT"
	// CodeParse: the client sent what is no packet.
	CodeParse Code = "PARSE_ERROR"
	// CodeForced: the program closed it.
	CodeForced Code = "FORCED_CLOSE"
	// CodeShutdown: the server stops.
	CodeShutdown Code = "SERVER_SHUTDOWN"
	// CodeBacklog: more waited for the client than Options.MaxBacklog or MaxQueued.
	CodeBacklog Code = "BACKLOG"
	// CodeStalled: the client took nothing of what was written for
	// Options.StallTimeout.
	CodeStalled Code = "STALLED"
	// CodeMemory: the server was past Options.MaxMemory, and much waited for the
	// client.
	CodeMemory Code = "MEMORY"
	// CodeTraffic: the client sent more than Options.MaxByteRate.
	CodeTraffic Code = "TRAFFIC"
	// CodePayload: a message of the client was larger than Options.MaxPayload.
	CodePayload Code = "PAYLOAD"
	// CodeProtocol: the client broke the websocket protocol.
	CodeProtocol Code = "PROTOCOL_ERROR"
)

// Codes returns the codes of this package.
func Codes() []Code {
	return []Code{
		CodeTransportClose, CodeClient, CodeTransportError, CodePingTimeout, CodeParse, CodeForced, CodeShutdown,
		CodeBacklog, CodeStalled, CodeMemory, CodeTraffic, CodePayload, CodeProtocol,
	}
}

// Code returns the reason as a stable word.
func (r Reason) Code() Code {
	switch r {
	case ReasonTransportClose:
		return CodeTransportClose
	case ReasonPingTimeout:
		return CodePingTimeout
	case ReasonParseError:
		return CodeParse
	case ReasonForcedClose:
		return CodeForced
	case ReasonShutdown:
		return CodeShutdown
	case ReasonSlow:
		return CodeBacklog
	case ReasonMemory:
		return CodeMemory
	case ReasonTraffic:
		return CodeTraffic
	default:
		return CodeTransportError
	}
}

// CloseFor is Close with the code that Info tells.
func (s *Session) CloseFor(code Code) {
	s.because(code)
	s.Close()
}

// SetLeaving notes whether the client has said that it is about to close the
// connection: CodeClient is the code of an end by it then.
func (s *Session) SetLeaving(leaving bool) {
	s.mu.Lock()
	s.leaving = leaving
	s.mu.Unlock()
}

// because notes what the session is about to end for.
func (s *Session) because(code Code) {
	s.mu.Lock()
	if !s.closed && code != "" {
		s.record.code = code
	}
	s.mu.Unlock()
}

// code returns why the session has ended; the caller holds the lock.
func (s *Session) code() Code {
	if s.record.code != "" {
		return s.record.code
	}
	if s.leaving && s.reason == ReasonTransportClose {
		return CodeClient
	}
	return s.reason.Code()
}

// stalled returns CodeStalled for a write that the client did not take in time.
func stalled(err error) Code {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return CodeStalled
	}
	return ""
}
