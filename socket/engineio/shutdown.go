package engineio

import (
	"context"
	"fmt"
	"time"
)

// Drain takes no new sessions and ends the open ones evenly over a time of at
// most spread, a millisecond apart where they are few, so that their clients do
// not all reconnect elsewhere in one moment. It returns early when ctx ends.
func (srv *Server) Drain(ctx context.Context, spread time.Duration) {
	srv.mu.Lock()
	srv.draining = true
	srv.mu.Unlock()
	open := srv.known()
	if len(open) == 0 {
		return
	}
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	began := time.Now()
	whole := min(spread, time.Duration(len(open))*time.Millisecond)
	for i, s := range open {
		for time.Since(began) < whole*time.Duration(i)/time.Duration(len(open)) {
			select {
			case <-pace.C:
			case <-ctx.Done():
				return
			}
		}
		s.end(ReasonShutdown, closeGoingAway, false)
	}
}

// Close ends every session, so that clients reconnect elsewhere, and waits for
// the goroutines of the server or for ctx.
func (srv *Server) Close(ctx context.Context) error {
	srv.mu.Lock()
	srv.closed = true
	srv.mu.Unlock()
	for _, s := range srv.known() {
		s.end(ReasonShutdown, closeGoingAway, false)
		srv.abandon(s) // one that was closed before would wait for a poll that is not answered any more
	}
	finished := make(chan struct{})
	go func() {
		srv.requests.Wait()
		srv.work.Wait()
		srv.idle.close()
		close(finished)
	}()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("closing the sessions took too long, %d left: %w", srv.Count(), ctx.Err())
	}
}
