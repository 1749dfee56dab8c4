package network

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"
)

// fresh is how long the result of a check holds: regions that fail at the same
// time share it.
const fresh = time.Second

// check is the last one, and the one under way. Watch.mu guards it.
type check struct {
	running   chan struct{} // closed when it is over; nil: none runs
	at        time.Time     // when the last one ended; zero: there was none
	reachable bool          // what it found
}

// ask finds out whether any witness can be reached; known is false where ctx
// ended before that, or nobody can say.
func (w *Watch) ask(ctx context.Context) (reachable, known bool) {
	for ctx.Err() == nil {
		w.mu.Lock()
		if !w.check.at.IsZero() && w.opts.Now().Sub(w.check.at) < fresh {
			defer w.mu.Unlock()
			return w.check.reachable, true
		}
		if running := w.check.running; running != nil {
			w.mu.Unlock()
			select {
			case <-running:
			case <-ctx.Done():
			}
			continue
		}
		running, addresses := make(chan struct{}), w.trusted()
		w.check.running = running
		w.mu.Unlock()

		reachable, known = w.reach(ctx, addresses)

		w.mu.Lock()
		w.check.running = nil
		if known {
			w.check.at, w.check.reachable = w.opts.Now(), reachable
		}
		w.mu.Unlock()
		close(running)
		return reachable, known
	}
	return false, false
}

// pauseGrace is by how much a check may take longer than its timeout. One that
// took longer is one of a process that was stopped meanwhile.
const pauseGrace = time.Second

// reach asks witnesses until one has answered. A check during which the process
// was stopped is made again, once.
func (w *Watch) reach(ctx context.Context, addresses []string) (reachable, known bool) {
	for range 2 {
		began := w.opts.Now()
		for _, answered := range w.dial(ctx, addresses, true) {
			if answered {
				return true, true
			}
		}
		if ctx.Err() != nil {
			return false, false
		}
		if w.opts.Now().Sub(began) <= w.opts.Timeout+pauseGrace {
			return false, len(addresses) > 0
		}
	}
	return false, false
}

// dial asks all of these at once, and returns which have answered. Where one is
// enough, the others are not waited for once one has.
func (w *Watch) dial(ctx context.Context, addresses []string, enough bool) map[string]bool {
	ctx, cancel := context.WithTimeout(ctx, w.opts.Timeout)
	defer cancel()
	var (
		mu       sync.Mutex
		wait     sync.WaitGroup
		answered = make(map[string]bool)
	)
	for _, address := range addresses {
		wait.Go(func() {
			conn, err := w.opts.Dial(ctx, "tcp", address)
			if err == nil {
				_ = conn.Close()
			}
			if !isAnswer(err) {
				return
			}
			mu.Lock()
			answered[address] = true
			mu.Unlock()
			if enough {
				cancel()
			}
		})
	}
	wait.Wait()
	return answered
}

// isAnswer reports whether something came back: also who refuses a connection is
// there.
func isAnswer(err error) bool {
	return err == nil || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)
}
