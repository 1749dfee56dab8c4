package socket

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

// costs bounds what the answers to one dashboard, and to all, may cost in a
// second, counted in bytes: a long history counts for more than a short one. A
// question waits while the answers before it are not paid for.
type costs struct {
	all   *rate.Limiter
	burst int // of one dashboard, in bytes

	mu  sync.Mutex
	own map[*socketio.Socket]*rate.Limiter // of dashboards that have asked for something large
}

// The bytes of a second; the size of an answer from which it counts; and how
// many of the largest answers a dashboard may have at once: the charts of
// several regions.
const (
	costOfOne = 8 << 20
	costOfAll = 64 << 20
	cheap     = 256 << 10
	atOnce    = 4
)

// newCosts returns the costs for answers of at most largest bytes.
func newCosts(largest int) *costs {
	largest = max(largest, cheap)
	return &costs{
		all: rate.NewLimiter(costOfAll, max(atOnce*largest, costOfAll)), burst: atOnce * largest,
		own: make(map[*socketio.Socket]*rate.Limiter),
	}
}

// wait returns when the dashboard may have another answer.
func (c *costs) wait(ctx context.Context, s *socketio.Socket) error {
	c.mu.Lock()
	own := c.own[s]
	c.mu.Unlock()
	if own != nil {
		if err := own.WaitN(ctx, 1); err != nil {
			return fmt.Errorf("this dashboard asks for more history than one may: %w", err)
		}
	}
	if err := c.all.WaitN(ctx, 1); err != nil {
		return fmt.Errorf("the dashboards ask for more history than all may: %w", err)
	}
	return nil
}

// count takes an answer of n bytes.
func (c *costs) count(s *socketio.Socket, n int) {
	if n < cheap {
		return
	}
	now := time.Now()
	c.all.ReserveN(now, min(n, c.all.Burst()))
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.own[s]
	if own == nil {
		own = rate.NewLimiter(costOfOne, c.burst)
		if s.Context().Err() == nil { // forget comes after the end
			c.own[s] = own
		}
	}
	own.ReserveN(now, min(n, c.burst))
}

// forget drops what is known of a dashboard that has gone.
func (c *costs) forget(s *socketio.Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.own, s)
}
