package client

import (
	"context"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio/internal/wire"
)

// write is the goroutine that sends what is queued, over whichever transport
// the connection has at the moment.
func (c *Conn) write() {
	for {
		select {
		case <-c.wake:
			if !c.flush() {
				return
			}
		case <-c.closing:
			c.leave()
			return
		case <-c.ctx.Done():
			return
		}
	}
}

// flush sends until nothing waits and reports whether to go on.
func (c *Conn) flush() bool {
	c.writing.Lock()
	defer c.writing.Unlock()
	for {
		batch, ws := c.take()
		if len(batch) == 0 {
			return true
		}
		var err error
		if ws == nil {
			err = c.post(batch)
		} else {
			err = ws.write(batch, c.hello.patience())
		}
		c.sent(batch)
		switch {
		case err != nil && ws == nil:
			c.fail(ReasonTransportError, err)
			return false
		case err != nil:
			ws.broke(err) // what the server had sent before is still read
			return false
		}
	}
}

// take returns what goes out together: over polling no more than the server
// accepts in one request.
func (c *Conn) take() ([]wire.Packet, *frames) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.unsent)
	if most := c.hello.MaxPayload; c.ws == nil && most > 0 {
		size := int64(0)
		for i, p := range c.unsent {
			if size += int64(p.Size()) + 1; i > 0 && size-1 > most {
				n = i
				break
			}
		}
	}
	batch := c.unsent[:n:n]
	if c.unsent = c.unsent[n:]; len(c.unsent) == 0 {
		c.unsent = nil
	}
	return batch, c.ws
}

func (c *Conn) sent(batch []wire.Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range batch {
		c.bytes -= len(p.Data) + packetOverhead
	}
}

// leave sends what waits and a close frame, and ends the connection.
func (c *Conn) leave() {
	late := time.AfterFunc(closePatience, func() { c.fail(ReasonForcedClose, context.DeadlineExceeded) })
	defer late.Stop()
	if c.flush() {
		c.writing.Lock()
		if ws := c.websocket(); ws != nil {
			ws.goodbye()
		} else {
			_ = c.post([]wire.Packet{{Kind: wire.Close}})
		}
		c.writing.Unlock()
	}
	c.fail(ReasonForcedClose, nil)
}
