//go:build linux && !portable

package engineio

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// parking watches the connections that have nothing to say, so that an idle
// dashboard costs no goroutine and no stack. It has an epoll instance of its
// own, which Go's poller watches in its turn. The zero value is ready.
type parking struct {
	once   sync.Once
	failed bool // connections are read in goroutines of their own then
	epoll  int  // its descriptor
	file   *os.File
	raw    syscall.RawConn
	ticket atomic.Uint64
	crew   crew

	mu   sync.Mutex
	here map[uint64]*Session
}

// place is what the parking knows of one connection.
type place struct {
	lot    *parking
	ticket uint64      // never used again, unlike file descriptors
	known  bool        // epoll has it; only its reader touches this
	gone   atomic.Bool // it is being closed, and parks no more
}

// admit gives a connection its place.
func (l *parking) admit(p *place) { p.lot, p.ticket = l, l.ticket.Add(1) }

// enter leaves the session's websocket until there is something to read or
// leave is called; its readOn runs then, in a goroutine of its own. It reports
// false where the caller must go on reading itself.
func (l *parking) enter(s *Session) bool {
	w := s.ws
	if w.raw == nil || w.in.Buffered() > 0 || w.place.gone.Load() || !l.open() {
		return false
	}
	l.mu.Lock()
	l.here[w.place.ticket] = s
	l.mu.Unlock()
	err := l.await(w)
	if err != nil || w.place.gone.Load() {
		return l.take(w.place.ticket) == nil // who was taken already has been resumed
	}
	return true
}

// await asks for one event of the connection, whose descriptor cannot be
// closed, and be another's, meanwhile.
func (l *parking) await(w *wsConn) error {
	op := syscall.EPOLL_CTL_MOD
	if !w.place.known {
		op = syscall.EPOLL_CTL_ADD
		w.place.known = true // before the event, which may come at once
	}
	t := w.place.ticket
	e := syscall.EpollEvent{
		Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT,
		Fd:     int32(uint32(t)), Pad: int32(uint32(t >> 32)),
	}
	var failed error
	err := w.raw.Control(func(fd uintptr) { failed = syscall.EpollCtl(l.epoll, op, int(fd), &e) })
	return errors.Join(err, failed)
}

// take returns the session that is parked with the ticket, or nil.
func (l *parking) take(ticket uint64) *Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.here[ticket]
	delete(l.here, ticket)
	return s
}

// leave resumes the connection, which is about to be closed.
func (p *place) leave() {
	p.gone.Store(true)
	if s := p.lot.take(p.ticket); s != nil {
		p.lot.crew.read(s)
	}
}

// open starts the watch with the first connection.
func (l *parking) open() bool {
	l.once.Do(func() {
		l.failed = true
		var err error
		if l.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
			return
		}
		_ = syscall.SetNonblock(l.epoll, true) // for Go's poller to take it
		l.file = os.NewFile(uintptr(l.epoll), "idle connections")
		if l.raw, err = l.file.SyscallConn(); err != nil {
			_ = l.file.Close()
			return
		}
		l.mu.Lock()
		l.here = make(map[uint64]*Session)
		l.mu.Unlock()
		l.failed = false
		l.crew.open()
		l.crew.work.Go(l.run)
	})
	return !l.failed
}

func (l *parking) run() {
	var events [128]syscall.EpollEvent
	for {
		n := 0
		err := l.raw.Read(func(epoll uintptr) bool {
			n, _ = syscall.EpollWait(int(epoll), events[:], 0)
			return n > 0
		})
		if err != nil {
			return // closed
		}
		l.wake(events[:n])
	}
}

func (l *parking) wake(events []syscall.EpollEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		ticket := uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32
		if s := l.here[ticket]; s != nil {
			delete(l.here, ticket)
			l.crew.read(s)
		}
	}
}

// close ends the watch; no connection is left then.
func (l *parking) close() {
	l.once.Do(func() { l.failed = true })
	if !l.failed {
		_ = l.file.Close()
		l.crew.close()
	}
}
