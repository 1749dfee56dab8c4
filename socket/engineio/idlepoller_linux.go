//go:build linux && !portable

package engineio

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// readBuffer is the size in bytes of a buffer for reading. A connection has one
// only while it is read.
const readBuffer = 16 << 10

// idlePoller watches the connections that have nothing to say, so that an idle
// dashboard costs no goroutine and no stack. It has an epoll instance of its
// own, which Go's poller watches in its turn. The zero value is ready.
type idlePoller struct {
	once    sync.Once
	failed  bool // connections are read in goroutines of their own then
	epoll   int  // its descriptor
	file    *os.File
	raw     syscall.RawConn
	lastID  atomic.Uint64
	workers workerPool

	mu     sync.Mutex
	parked map[uint64]*Session
}

// registration is what the poller knows of one connection.
type registration struct {
	poller  *idlePoller
	id      uint64      // never used again, unlike file descriptors
	added   bool        // epoll has it; only its reader touches this
	closing atomic.Bool // it is being closed, and parks no more
}

// register gives a connection its registration.
func (p *idlePoller) register(r *registration) { r.poller, r.id = p, p.lastID.Add(1) }

// park leaves the session's websocket until there is something to read or
// resume is called; its readOn runs then, in a goroutine of its own. It
// reports false where the caller must go on reading itself.
func (p *idlePoller) park(s *Session) bool {
	w := s.ws
	if w.raw == nil || w.registration.closing.Load() || !p.open() {
		return false
	}
	p.mu.Lock()
	p.parked[w.registration.id] = s
	p.mu.Unlock()
	err := p.watch(w)
	if err != nil || w.registration.closing.Load() {
		return p.remove(w.registration.id) == nil // a connection that was removed already has been resumed
	}
	return true
}

// watch asks for one event of the connection, whose descriptor cannot be
// closed, and be another's, meanwhile.
func (p *idlePoller) watch(w *wsConn) error {
	op := syscall.EPOLL_CTL_MOD
	if !w.registration.added {
		op = syscall.EPOLL_CTL_ADD
		w.registration.added = true // before the event, which may come at once
	}
	id := w.registration.id
	e := syscall.EpollEvent{
		Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT,
		Fd:     int32(uint32(id)), Pad: int32(uint32(id >> 32)),
	}
	var failed error
	err := w.raw.Control(func(fd uintptr) { failed = syscall.EpollCtl(p.epoll, op, int(fd), &e) })
	return errors.Join(err, failed)
}

// remove returns the session that is parked under the id, or nil.
func (p *idlePoller) remove(id uint64) *Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.parked[id]
	delete(p.parked, id)
	return s
}

// resume ends the wait of a connection that is about to be closed; it parks no
// more.
func (r *registration) resume() {
	r.closing.Store(true)
	r.poller.resume(r.id)
}

// open starts the watch with the first connection.
func (p *idlePoller) open() bool {
	p.once.Do(func() {
		p.failed = true
		var err error
		if p.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
			return
		}
		_ = syscall.SetNonblock(p.epoll, true) // for Go's poller to take it
		p.file = os.NewFile(uintptr(p.epoll), "idle connections")
		if p.raw, err = p.file.SyscallConn(); err != nil {
			_ = p.file.Close()
			return
		}
		p.mu.Lock()
		p.parked = make(map[uint64]*Session)
		p.mu.Unlock()
		p.failed = false
		p.workers.open()
		p.workers.work.Go(p.run)
	})
	return !p.failed
}

func (p *idlePoller) run() {
	var events [128]syscall.EpollEvent
	for {
		n := 0
		err := p.raw.Read(func(epoll uintptr) bool {
			n, _ = syscall.EpollWait(int(epoll), events[:], 0)
			return n > 0
		})
		if err != nil {
			return // closed
		}
		for _, e := range events[:n] {
			p.resume(uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32)
		}
	}
}

// resume reads the session that is parked under the id, if there is one.
func (p *idlePoller) resume(id uint64) {
	if s := p.remove(id); s != nil {
		p.workers.read(s)
	}
}

// close ends the watch; no connection is left then.
func (p *idlePoller) close() {
	p.once.Do(func() { p.failed = true })
	if !p.failed {
		_ = p.file.Close()
		p.workers.close()
	}
}
