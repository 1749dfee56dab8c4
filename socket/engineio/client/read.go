package client

import (
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio/internal/wire"
)

// read is the goroutine that takes what the server sends: from polls, then,
// after an upgrade, from the websocket.
func (c *Conn) read(early []wire.Packet) {
	defer close(c.incoming)
	for _, p := range early {
		if !c.receive(p) {
			return
		}
	}
	if c.websocket() == nil && !c.poll() {
		return
	}
	ws := c.websocket()
	for {
		p, err := ws.read()
		if err != nil {
			c.fail(ws.reason(err), err)
			return
		}
		if !c.receive(p) {
			return
		}
	}
}

// receive handles one packet and reports whether to go on.
func (c *Conn) receive(p wire.Packet) bool {
	switch p.Kind {
	case wire.Message:
		return c.deliver(Message{Binary: p.Binary, Data: p.Data})
	case wire.Ping:
		c.deadline = time.Now().Add(c.hello.patience())
		c.silence.Reset(c.hello.patience())
		_ = c.enqueue([]wire.Packet{{Kind: wire.Pong, Data: p.Data}}, true) // where it has ended, the next read says so
		return true
	case wire.Close:
		c.fail(ReasonTransportClose, nil)
		return false
	default:
		return true // nothing that a client must heed
	}
}

// deliver waits for the program to take the message. The server cannot be
// heard meanwhile, so that time is not counted as its silence.
func (c *Conn) deliver(m Message) bool {
	select {
	case c.incoming <- m:
		return true
	default:
	}
	began := time.Now()
	c.silence.Stop()
	select {
	case c.incoming <- m:
	case <-c.closing:
		return false
	}
	c.deadline = c.deadline.Add(time.Since(began))
	if c.ctx.Err() == nil {
		c.silence.Reset(time.Until(c.deadline))
	}
	return true
}
