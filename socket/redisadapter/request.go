package redisadapter

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

// pendingRequest gathers the answers to one request.
type pendingRequest struct {
	acks bool // each client answers too, not only each server

	mu       sync.Mutex
	each     func(socketio.Answer)
	servers  int // that have answered
	expected int // clients
	answered int // clients
	changed  chan struct{}
}

func (r *pendingRequest) add(a socketio.Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.acks && a.Args != nil:
		r.answered++
	case r.acks:
		r.expected += a.Clients
		r.servers++
	default:
		r.servers++
	}
	r.each(a)
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// close makes sure that each is not called any more.
func (r *pendingRequest) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.each = func(socketio.Answer) {}
}

func (r *pendingRequest) progress() (servers, missingClients int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.servers, r.expected - r.answered
}

// wait returns when every server has answered, and every client that they
// counted: it waits for servers until limited ends, for clients until ctx does,
// and for nobody when the namespace is closed.
func (r *pendingRequest) wait(ctx, limited, namespace context.Context, servers int) error {
	late := limited.Done()
	var missing error
	for {
		answered, clients := r.progress()
		if (answered >= servers || missing != nil) && clients <= 0 {
			return missing
		}
		select {
		case <-r.changed:
		case <-late:
			late = nil
			if answered < servers {
				missing = fmt.Errorf("%d of %d other servers answered in time: %w", answered, servers, context.DeadlineExceeded)
			}
		case <-ctx.Done():
			return errors.Join(missing, fmt.Errorf("%d of %d other servers answered, %d clients did not: %w", answered, servers, max(0, clients), ctx.Err()))
		case <-namespace.Done():
			return errors.New("the namespace is closed")
		}
	}
}
