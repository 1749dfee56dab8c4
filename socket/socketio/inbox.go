package socketio

import "sync"

// inbox runs what a client's packets ask for, one after the other, while more
// packets are read, so that acknowledgements, closes and heartbeats come through
// while a handler works. There is a goroutine only while there is work.
type inbox struct {
	mu      sync.Mutex
	waiting []task
	bytes   int
	owed    int // acknowledgements that something waits for
	running bool
	space   chan struct{} // closed when there is room again; nil while there is
}

// task is a packet to handle, or a function to run.
type task struct {
	packet *Packet
	f      func()
	size   int
}

// inboxSize is how many packets may wait for a handler; then the reading
// waits, and with it the client, unless it owes an acknowledgement. From
// inboxPatience on a runner is wanted even while more packets come.
const (
	inboxSize     = 256
	inboxPatience = 32
	packetCost    = 256 // bytes of memory beside the payload
)

// full reports whether reading is to stop; the caller holds the lock. most is
// Options.MaxInbox.
func (in *inbox) full(most int) bool {
	if in.owed > 0 {
		return in.bytes >= most
	}
	return len(in.waiting) >= inboxSize || in.bytes >= most/4
}

// put adds a task and waits for room unless stop, the end of the session,
// comes first; without stop it does not wait. It calls start, which is to let
// somebody run, where that cannot wait until the client pauses: before it waits
// itself, for nobody else makes room, and when much has come already.
func (in *inbox) put(t task, most int, stop <-chan struct{}, start func()) {
	in.mu.Lock()
	for stop != nil && in.full(most) {
		if in.claimLocked() {
			in.mu.Unlock()
			start()
			in.mu.Lock()
			continue
		}
		if in.space == nil {
			in.space = make(chan struct{})
		}
		space := in.space
		in.mu.Unlock()
		select {
		case <-space:
		case <-stop: // nothing more comes than this
			stop = nil
		}
		in.mu.Lock()
	}
	in.waiting = append(in.waiting, t)
	in.bytes += t.size
	claimed := len(in.waiting) >= inboxPatience && in.claimLocked()
	in.mu.Unlock()
	if claimed {
		start()
	}
}

// owe notes n more acknowledgements that something waits for: they may stand
// behind packets that are not read yet.
func (in *inbox) owe(n, most int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.owed += n
	in.signal(most)
}

// signal lets the reading go on where there is room; the caller holds the lock.
func (in *inbox) signal(most int) {
	if in.space != nil && !in.full(most) {
		close(in.space)
		in.space = nil
	}
}

// claim reports whether the caller must start run: there is work that nobody
// does.
func (in *inbox) claim() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.claimLocked()
}

// claimLocked is claim for a caller that holds the lock.
func (in *inbox) claimLocked() bool {
	if in.running || len(in.waiting) == 0 {
		return false
	}
	in.running = true
	return true
}

// run does what waits until nothing does. do must not panic.
func (in *inbox) run(most int, do func(task)) {
	for {
		in.mu.Lock()
		if len(in.waiting) == 0 {
			in.waiting, in.running = nil, false
			in.mu.Unlock()
			return
		}
		t := in.waiting[0]
		in.waiting[0] = task{}
		in.waiting = in.waiting[1:]
		in.bytes -= t.size
		in.signal(most)
		in.mu.Unlock()
		do(t)
	}
}
