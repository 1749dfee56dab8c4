package socketio

import "sync"

// inbox runs what a client's packets ask for, one after the other and beside
// the reading, so that acknowledgements, closes and heartbeats come through
// while a handler works. There is a goroutine only while there is work.
type inbox struct {
	mu      sync.Mutex
	waiting []func()
	running bool
	space   chan struct{} // closed when there is room again; nil while there is
}

// inboxSize is how many packets may wait for a handler; then the reading
// waits, and with it the client. From inboxPatience on a runner is wanted even
// while more packets come.
const (
	inboxSize     = 256
	inboxPatience = 32
)

// put adds work and waits for room unless stop comes first. It reports whether
// the caller must start run at once: else that has time until the client
// pauses.
func (in *inbox) put(f func(), stop <-chan struct{}) (start bool) {
	in.mu.Lock()
	for stop != nil && len(in.waiting) >= inboxSize {
		if in.space == nil {
			in.space = make(chan struct{})
		}
		space := in.space
		in.mu.Unlock()
		select {
		case <-space:
		case <-stop:
			return false
		}
		in.mu.Lock()
	}
	defer in.mu.Unlock()
	in.waiting = append(in.waiting, f)
	return len(in.waiting) >= inboxPatience && in.take()
}

// claim reports whether the caller must start run: there is work that nobody
// does.
func (in *inbox) claim() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.take()
}

// take is claim for who holds the lock.
func (in *inbox) take() bool {
	if in.running || len(in.waiting) == 0 {
		return false
	}
	in.running = true
	return true
}

func (in *inbox) run() {
	for {
		in.mu.Lock()
		if len(in.waiting) == 0 {
			in.waiting, in.running = nil, false
			in.mu.Unlock()
			return
		}
		f := in.waiting[0]
		in.waiting[0] = nil
		in.waiting = in.waiting[1:]
		if in.space != nil && len(in.waiting) < inboxSize {
			close(in.space)
			in.space = nil
		}
		in.mu.Unlock()
		f()
	}
}
