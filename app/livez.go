package app

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/devops-insights/devops-insights/app/probe"
	"github.com/gin-gonic/gin"
)

const (
	// beatEvery is how often the process shows that it is not stuck, and
	// beatStuck for how long it may fail to.
	beatEvery = time.Second
	beatStuck = 10 * time.Second
	// beatGrace is what a process gets that was stopped and goes on just now.
	beatGrace = time.Second
)

// beat shows that the process is not stuck: it takes the locks that whoever serves
// dashboards takes.
type beat struct {
	last  atomic.Pointer[time.Time]
	locks func()
}

func newBeat(locks func()) *beat {
	b := &beat{locks: locks}
	now := time.Now()
	b.last.Store(&now)
	return b
}

// run beats until ctx ends. Where a lock is never given back, it never does.
func (b *beat) run(ctx context.Context) error {
	return every(ctx, beatEvery, func() error {
		b.locks()
		now := time.Now()
		b.last.Store(&now)
		return nil
	})
}

// stuckFor returns for how long there was no beat; 0 where there is one now, or
// within the grace.
func (b *beat) stuckFor(ctx context.Context) time.Duration {
	for end := time.Now().Add(beatGrace); ; {
		since := time.Since(*b.last.Load())
		if since < beatStuck {
			return 0
		}
		if time.Now().After(end) {
			return since
		}
		select {
		case <-time.After(beatGrace / 10):
		case <-ctx.Done():
			return since
		}
	}
}

// beating takes the locks of the connections, the view and the rooms.
func (a *App) beating() {
	_ = a.sockets.Stats()
	_ = a.sockets.Of("/").Count()
	_ = a.sockets.Of("/").Rooms()
	_ = a.view.Version()
}

// livez is for supervisors: a process that is stuck has to be started anew.
func (a *App) livez(c *gin.Context) {
	if stuck := a.beat.stuckFor(c.Request.Context()); stuck > 0 {
		writeJSON(c.Writer, http.StatusServiceUnavailable, gin.H{"alive": false, "service": probe.Service, "stuck_for": stuck.Round(time.Second).String()})
		return
	}
	writeJSON(c.Writer, http.StatusOK, gin.H{"alive": true, "service": probe.Service})
}
