package engineio

import (
	"errors"

	"github.com/devops-insights/devops-insights/socket/engineio/internal/wire"
	"github.com/devops-insights/devops-insights/socket/engineio/websocket"
)

// smallBuffer is the size in bytes of the read buffer of a connection that
// never parks.
const smallBuffer = 2 << 10

// startReading reads the session's websocket until it ends, beside the request
// that brought it: what the request needed is free then.
func (s *Session) startReading() {
	s.server.work.Add(1)
	if s.ws.Unread() > 0 || !s.server.idle.park(s) {
		go s.readOn()
	}
}

// readOn hands the client's packets to the session until the connection or the
// session ends, or the client has nothing more to say for now.
func (s *Session) readOn() {
	w := s.ws
	var after afterRead
	if w.raw == nil {
		after = s.read(make([]byte, smallBuffer))
	} else {
		buf := s.server.readBuffers.Get().(*[readBuffer]byte)
		after = s.read(buf[:])
		s.server.readBuffers.Put(buf)
	}
	switch after {
	case readParked:
		s.pause(true)
		return
	case readLost:
		w.cut() // nothing more comes, or nothing came in time
	default:
		w.closeAndDrain()
	}
	s.HoldInbound(-w.partial)
	s.server.work.Done()
}

// afterRead is what is left to do with a connection that is not read on.
type afterRead int

const (
	readParked afterRead = iota // others have it
	readEnded                   // the client is to read to the end
	readLost                    // it has gone
)

// read works on what the client sends. The messages of one reading are handled
// before the next, which may wait; so they are not delayed by what a control
// frame or a part of a message behind them lacks.
func (s *Session) read(buf []byte) afterRead {
	w := s.ws
	for !s.ended() {
		m, err := w.Next(buf)
		if err != nil {
			s.pause(false) // what came before is handled before the end
			return s.readFailed(err)
		}
		if !s.receiveFrame(m) {
			return readEnded
		}
		if w.Unread() > 0 {
			continue
		}
		s.countPartial()
		if s.server.idle.park(s) {
			return readParked
		}
		s.pause(false) // the next read may wait
	}
	return readEnded
}

// countPartial lets the budget know of the beginning of a message whose end is
// still to come.
func (s *Session) countPartial() {
	if n := s.ws.Buffered(); n != s.ws.partial {
		change := n - s.ws.partial
		s.ws.partial = n
		s.HoldInbound(change)
	}
}

// receiveFrame handles one message or control frame of the client and reports
// whether to go on.
func (s *Session) receiveFrame(m websocket.Message) bool {
	switch m.Opcode {
	case websocket.Text, websocket.Binary:
	case websocket.Ping:
		s.heardFrame(s.arrived(m))
		return s.admitTraffic(len(m.Data)) && s.Send(rawFrame(websocket.Pong, m.Data)) == nil
	case websocket.Pong:
		s.heardFrame(s.arrived(m))
		return s.admitTraffic(len(m.Data))
	case websocket.Close:
		s.pause(false) // what came before is handled before the end
		status, _, _ := websocket.ParseClose(m.Data)
		s.end(ReasonTransportClose, uint16(status), true) // answers to what came before go first
		return false
	default:
		s.heardFrame(arrival{})
		return true // nothing whole yet
	}
	p, err := s.decode(m)
	if err != nil || p.Kind != packetMessage {
		s.pause(false) // this may end the session
	}
	if err != nil {
		s.end(ReasonParseError, closeNormal, false)
		return false
	}
	return s.receive(p, s.arrived(m))
}

// decode returns the packet that a message carries.
func (s *Session) decode(m websocket.Message) (packet, error) {
	switch text := m.Opcode == websocket.Text; {
	case text && s.protocol == 3:
		return decodePacket3(m.Data)
	case text:
		return wire.Decode(m.Data)
	case s.protocol == 3:
		return decodeBinary3(m.Data)
	}
	return packet{Kind: packetMessage, Binary: true, Data: m.Data}, nil
}

// readFailed ends the session for a client that has gone, or that broke the
// websocket protocol: that one is told how, and nothing else.
func (s *Session) readFailed(err error) afterRead {
	var mistake *websocket.Error
	if !errors.As(err, &mistake) {
		s.end(ReasonTransportClose, closeSilent, false)
		return readLost
	}
	if mistake.Status == websocket.StatusTooLarge {
		s.server.CountLimit(LimitPayload)
		s.because(CodePayload)
	} else {
		s.because(CodeProtocol)
	}
	s.end(ReasonTransportError, uint16(mistake.Status), true)
	return readEnded
}

func (s *Session) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}
