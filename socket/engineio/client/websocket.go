package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/engineio/internal/wire"
	"github.com/devops-insights/devops-insights/socket/engineio/websocket"
)

// frames is a websocket that carries packets. Everything that the client needs
// of package websocket is in this file.
type frames struct {
	conn   *websocket.Conn
	broken atomic.Pointer[error] // of the first write that failed
}

func (c *Conn) dial(ctx context.Context) (*frames, error) {
	d := websocket.Dialer{Header: c.opts.Header, MaxMessage: c.opts.MaxPayload, Client: c.http}
	if c.opts.Compression {
		d.Flate = new(websocket.Flate)
	}
	if _, ok := c.http.Transport.(*http.Transport); !ok && c.http.Transport != nil {
		own := c.opts.transport()
		defer own.CloseIdleConnections()
		d.Client = &http.Client{Jar: c.http.Jar, Transport: own}
	}
	conn, resp, err := d.Dial(ctx, c.address(engineio.Websocket))
	if resp != nil && err != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, statusError(resp)
	}
	if err != nil {
		return nil, err
	}
	return &frames{conn: conn}, nil
}

// read returns the next packet. Its errors are permanent.
func (f *frames) read() (wire.Packet, error) {
	m, err := f.conn.ReadMessage()
	if err != nil {
		if websocket.TooLarge(err) {
			err = fmt.Errorf("%w: %w", ErrTooLarge, err)
		}
		return wire.Packet{}, err
	}
	if m.Opcode == websocket.Binary {
		return wire.Packet{Kind: wire.Message, Binary: true, Data: m.Data}, nil
	}
	p, err := wire.Decode(m.Data)
	if err != nil {
		return wire.Packet{}, parseError{err}
	}
	return p, nil
}

// parseError is a frame that came, but is no packet.
type parseError struct{ error }

// reason tells how the connection ended from the error of read.
func (f *frames) reason(err error) Reason {
	closed, mistake, parse := &websocket.CloseError{}, &websocket.Error{}, parseError{}
	switch {
	case errors.As(err, &parse), errors.As(err, &mistake) && mistake.Status == websocket.StatusInvalid:
		return ReasonParseError
	case f.broken.Load() != nil:
		return ReasonTransportError
	case errors.As(err, &closed), errors.Is(err, io.EOF):
		return ReasonTransportClose
	}
	return ReasonTransportError
}

// readWithin is read for the handshake, which a context bounds.
func (f *frames) readWithin(ctx context.Context) (wire.Packet, error) {
	stop := context.AfterFunc(ctx, f.cut)
	p, err := f.read()
	if !stop() && err != nil {
		return p, ctx.Err()
	}
	return p, err
}

func (f *frames) write(packets []wire.Packet, within time.Duration) error {
	for _, p := range packets {
		if err := f.conn.NetConn().SetWriteDeadline(time.Now().Add(within)); err != nil {
			return err
		}
		kind, data := websocket.Binary, p.Data
		if !p.Binary {
			kind, data = websocket.Text, p.Append(make([]byte, 0, len(p.Data)+1))
		}
		if err := f.conn.WriteMessage(kind, data); err != nil {
			return err
		}
	}
	return nil
}

// broke notes that nothing can be written any more; the reader, which has a
// moment to find the end, ends the connection.
func (f *frames) broke(err error) {
	f.broken.Store(&err)
	_ = f.conn.NetConn().SetReadDeadline(time.Now().Add(time.Second))
}

// goodbye sends a close frame.
func (f *frames) goodbye() {
	_ = f.conn.NetConn().SetWriteDeadline(time.Now().Add(time.Second))
	_ = f.conn.WriteClose(websocket.StatusNormal, "")
}

func (f *frames) cut() { _ = f.conn.NetConn().Close() }
