package websocket

import (
	"crypto/rand"
	"errors"
	"net"
	"time"
)

// NetConn returns the connection beneath.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Protocol returns the protocol that both sides agreed to, or nothing.
func (c *Conn) Protocol() string { return c.protocol }

// DeflateWindow returns the size in bytes of the largest message that may be
// sent compressed; 0 where compression was not agreed to.
func (c *Conn) DeflateWindow() int { return c.window }

// Unread returns the number of bytes that have been read and not been decoded.
func (c *Conn) Unread() int { return len(c.unread) }

// Buffered returns the number of bytes that are held for a message of which
// more is to come.
func (c *Conn) Buffered() int { return cap(c.decoder.message) }

// Decoded returns the number of bytes that Next has decoded so far, as they
// came over the wire. It belongs to the reader, as Next does.
func (c *Conn) Decoded() uint64 { return c.decoded }

// Next returns the next message or control frame. It reads at most once, into
// buf, which belongs to the Conn until Unread is 0; where that was not enough,
// the message's opcode is Continuation. The caller answers pings and closes.
// Once the peer has made a mistake, every call returns it.
func (c *Conn) Next(buf []byte) (Message, error) {
	if len(c.unread) == 0 {
		n, err := c.nc.Read(buf)
		if n == 0 {
			return Message{}, err
		}
		c.unread = buf[:n]
	}
	m, n, err := c.decoder.Decode(c.unread)
	c.decoded += uint64(n)
	c.unread = c.unread[n:]
	if len(c.unread) == 0 {
		c.unread = nil
	}
	return m, err
}

// readSize is the size of ReadMessage's buffer.
const readSize = 4096

// ReadMessage waits for the next message and answers pings and the closing
// handshake meanwhile; a close by the peer is a *CloseError. It belongs to one
// goroutine at a time.
func (c *Conn) ReadMessage() (Message, error) {
	if c.buf == nil {
		c.buf = make([]byte, readSize)
	}
	for {
		m, err := c.Next(c.buf)
		var mistake *Error
		switch {
		case errors.As(err, &mistake):
			return Message{}, errors.Join(err, c.Close(mistake.Status, mistake.Reason))
		case err != nil:
			return Message{}, err
		case m.Opcode == Ping:
			if err := c.WriteMessage(Pong, m.Data); err != nil {
				return Message{}, err
			}
		case m.Opcode == Close:
			status, reason, _ := ParseClose(m.Data) // the decoder has checked it
			_ = c.WriteMessage(Close, closePayload(status, ""))
			return Message{}, &CloseError{status, reason}
		case m.Opcode == Text, m.Opcode == Binary:
			return m, nil
		}
	}
}

// compressFrom is the size in bytes from which WriteMessage compresses, where
// that was agreed to.
const compressFrom = 1024

// WriteMessage writes one message or control frame. It may be called from any
// goroutine.
func (c *Conn) WriteMessage(opcode Opcode, data []byte) error {
	if flate := c.decoder.Flate; flate != nil && !opcode.Control() && len(data) >= compressFrom && len(data) <= c.window {
		if b, err := flate.Deflate(data); err == nil && len(b) < len(data) {
			opcode, data = opcode|Compressed, b
		}
	}
	var frame []byte
	if c.decoder.Masked {
		frame = AppendFrame(nil, opcode, "", data)
	} else {
		var key [4]byte
		_, _ = rand.Read(key[:])
		frame = AppendMaskedFrame(make([]byte, 0, len(data)+maxHeader), opcode, key, data)
	}
	_, err := c.nc.Write(frame)
	return err
}

// closeTimeout bounds the writing of the last frame.
const closeTimeout = time.Second

// Close sends a close frame and closes the connection.
func (c *Conn) Close(status Status, reason string) error {
	_ = c.nc.SetWriteDeadline(time.Now().Add(closeTimeout))
	return errors.Join(c.WriteClose(status, reason), c.nc.Close())
}

// WriteClose sends a close frame; the peer answers it and closes.
func (c *Conn) WriteClose(status Status, reason string) error {
	return c.WriteMessage(Close, closePayload(status, reason))
}
