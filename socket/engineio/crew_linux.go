//go:build linux && !portable

package engineio

import (
	"sync"
	"sync/atomic"
	"time"
)

// crew reads connections in goroutines that stay for a while: a new one would
// begin with a small stack each time and spend more on its growth than on the
// reading.
type crew struct {
	next   chan *Session
	closed chan struct{}
	once   sync.Once
	idle   atomic.Int32
	work   sync.WaitGroup
}

// crewStays is how many goroutines wait for the next connection, and crewWaits
// for how long.
const (
	crewStays = 16
	crewWaits = 2 * time.Second
)

func (c *crew) open() { c.next, c.closed = make(chan *Session), make(chan struct{}) }

// read lets the session read on, in a goroutine that waits or in a new one.
func (c *crew) read(s *Session) {
	select {
	case c.next <- s:
	default:
		c.work.Go(func() { c.run(s) })
	}
}

func (c *crew) run(s *Session) {
	patience := time.NewTimer(crewWaits)
	defer patience.Stop()
	for {
		s.readOn()
		s = nil
		if c.idle.Add(1) > crewStays {
			c.idle.Add(-1)
			return
		}
		patience.Reset(crewWaits)
		select {
		case s = <-c.next:
		case <-patience.C:
		case <-c.closed:
		}
		c.idle.Add(-1)
		if s == nil {
			return
		}
	}
}

// close ends the goroutines that wait, and waits for those that work.
func (c *crew) close() {
	c.once.Do(func() { close(c.closed) })
	c.work.Wait()
}
