//go:build linux && !portable

package engineio

import (
	"sync"
	"sync/atomic"
	"time"
)

// workerPool reads connections in goroutines that stay for a while: a new one
// would begin with a small stack each time and spend more on its growth than
// on the reading.
type workerPool struct {
	next   chan *Session
	closed chan struct{}
	once   sync.Once
	idle   atomic.Int32
	work   sync.WaitGroup
}

// maxIdleWorkers is how many goroutines wait for the next connection, and
// workerIdleTime for how long.
const (
	maxIdleWorkers = 16
	workerIdleTime = 2 * time.Second
)

func (p *workerPool) open() { p.next, p.closed = make(chan *Session), make(chan struct{}) }

// read lets the session read on, in a goroutine that waits or in a new one.
func (p *workerPool) read(s *Session) {
	select {
	case p.next <- s:
	default:
		p.work.Go(func() { p.run(s) })
	}
}

func (p *workerPool) run(s *Session) {
	timeout := time.NewTimer(workerIdleTime)
	defer timeout.Stop()
	for {
		s.readOn()
		s = nil
		if p.idle.Add(1) > maxIdleWorkers {
			p.idle.Add(-1)
			return
		}
		timeout.Reset(workerIdleTime)
		select {
		case s = <-p.next:
		case <-timeout.C:
		case <-p.closed:
		}
		p.idle.Add(-1)
		if s == nil {
			return
		}
	}
}

// close ends the goroutines that wait, and waits for those that work.
func (p *workerPool) close() {
	p.once.Do(func() { close(p.closed) })
	p.work.Wait()
}
