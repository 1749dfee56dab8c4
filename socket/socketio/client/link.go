package client

import (
	"context"
	"errors"
	"fmt"

	engine "github.com/devops-insights/devops-insights/socket/engineio/client"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

// link is one connection, from its handshake to its end. decoding, held and
// err belong to the goroutine that reads.
type link struct {
	client *Client
	conn   Conn
	ctx    context.Context // ends when the link is not wanted or its reading is over
	cancel context.CancelCauseFunc

	decoding *socketio.Packet // a binary packet whose attachments are still to come
	held     int64            // bytes of it so far
	err      error            // why it ended
	welcomed bool             // a namespace let the client in; guarded by the client's lock
}

func newLink(c *Client, conn Conn) *link {
	l := &link{client: c, conn: conn}
	l.ctx, l.cancel = context.WithCancelCause(c.ctx)
	return l
}

// errUnwanted is why a link ends that nobody wants any more.
var errUnwanted = errors.New("no socket wants the connection")

func (l *link) end() { l.cancel(errUnwanted) }

// fail ends the link because of an error; the sockets reconnect.
func (l *link) fail(err error) { l.cancel(err) }

// read takes what the server sends until the link ends, and reports whether
// any namespace was connected.
func (c *Client) read(l *link) bool {
	reason := ReasonTransportError
	for l.err == nil {
		m, err := l.conn.Receive(l.ctx)
		if err == nil {
			if err = l.receive(m); err != nil {
				reason, l.err = ReasonParseError, err
			}
			continue
		}
		l.err = err
		if closed := (&engine.CloseError{}); errors.As(err, &closed) {
			reason = Reason(closed.Reason)
		} else if cause := context.Cause(l.ctx); cause != nil {
			l.err = cause
		}
	}
	c.opts.Logger.Debug("the connection has ended", "reason", reason, "error", l.err)
	l.cancel(l.err)
	c.mu.Lock()
	if c.link == l {
		c.link = nil
	}
	for _, s := range c.sockets {
		s.lost(l, reason)
	}
	welcomed := l.welcomed
	c.mu.Unlock()
	_ = l.conn.Close() // there is nothing more to be said about it
	return welcomed
}

// receive takes one message; an error is one of the protocol.
func (l *link) receive(m engine.Message) error {
	switch {
	case m.Binary && l.decoding == nil:
		return errors.New("a binary message that no packet announced")
	case m.Binary:
		l.decoding.Attachments = append(l.decoding.Attachments, m.Data)
	case l.decoding != nil:
		return errors.New("a text packet while attachments of another were due")
	default:
		p, err := socketio.DecodePacket(m.Data)
		if err != nil {
			return err
		}
		l.decoding, l.held = p, 0
	}
	p := l.decoding
	if l.held += int64(len(m.Data)) + packetOverhead; l.held > max(l.client.opts.Engine.MaxPayload, 1<<10) {
		return fmt.Errorf("a packet of more than %d bytes with its attachments (Engine.MaxPayload)", l.client.opts.Engine.MaxPayload)
	}
	if p.Missing() > 0 {
		return nil
	}
	l.decoding = nil
	return l.dispatch(p)
}

// packetOverhead is what a packet or attachment is counted with beside its
// data.
const packetOverhead = 64

// dispatch takes an acknowledgement at once and has everything else called in
// its turn. Where too much waits for the handlers it waits too.
func (l *link) dispatch(p *socketio.Packet) error {
	c := l.client
	c.mu.Lock()
	s, onPacket := c.sockets[p.Namespace], c.onPacket
	c.mu.Unlock()
	if onPacket != nil {
		c.call(int(l.held), func() { onPacket(p) })
	}
	err := l.hand(s, p)
	if err == nil {
		_ = c.inbox.wait(l.ctx, c.room) // where the link ends, the next read says so
	}
	return err
}

// hand hands a packet to the socket of its namespace, nil where there is none.
func (l *link) hand(s *Socket, p *socketio.Packet) error {
	if s == nil {
		return nil
	}
	switch p.Type {
	case socketio.PacketConnect:
		return s.welcome(l, p)
	case socketio.PacketConnectError:
		s.refused(l, refusal(p))
	case socketio.PacketDisconnect:
		s.expelled(l)
	case socketio.PacketAck, socketio.PacketBinaryAck:
		args, err := p.Args()
		if err != nil {
			return err
		}
		s.acknowledged(l, p.ID, args)
	default:
		return s.received(l, p, int(l.held))
	}
	return nil
}

// room is how many bytes may wait for handlers at the moment.
func (c *Client) room() int {
	if c.awaited.Load() > 0 {
		return 2 * c.opts.MaxQueued
	}
	return c.opts.MaxQueued
}
