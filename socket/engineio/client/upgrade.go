package client

import (
	"context"
	"errors"

	"github.com/devops-insights/devops-insights/socket/engineio/internal/wire"
)

// probe is the data of the ping and pong that try the websocket ("Upgrade").
const probe = "probe"

// upgrade changes from polling to websocket: it tries the websocket while
// polling goes on, waits until no request is under way in either direction,
// and switches. Where it fails, polling goes on.
func (c *Conn) upgrade() {
	ctx, cancel := context.WithTimeout(c.trying, c.opts.UpgradeTimeout)
	defer cancel()
	ws, err := c.tryWebsocket(ctx)
	if err == nil {
		err = c.swap(ctx, ws)
	}
	if err != nil {
		if ws != nil {
			ws.cut()
		}
		c.opts.Logger.Debug("the connection is not upgraded to websocket", "error", err)
	}
}

// tryWebsocket opens a websocket and sees that it carries packets.
func (c *Conn) tryWebsocket(ctx context.Context) (*frames, error) {
	ws, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err := ws.write([]wire.Packet{{Kind: wire.Ping, Data: []byte(probe)}}, c.opts.UpgradeTimeout); err != nil {
		return ws, err
	}
	p, err := ws.readWithin(ctx)
	if err == nil && (p.Kind != wire.Pong || string(p.Data) != probe) {
		err = errors.New("the server answered the probe with another packet")
	}
	return ws, err
}

// swap makes the websocket the transport. The writer is held off meanwhile.
func (c *Conn) swap(ctx context.Context, ws *frames) (err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	close(c.pausing)
	select {
	case <-c.paused:
		err = ws.write([]wire.Packet{{Kind: wire.Upgrade}}, c.opts.UpgradeTimeout)
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err == nil {
		c.mu.Lock()
		c.ws = ws
		c.mu.Unlock()
		if c.ctx.Err() != nil {
			ws.cut() // the connection ended before it had it
		}
	}
	c.upgraded <- err == nil
	return err
}
