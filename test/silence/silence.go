//go:build unix

// Package silence is a place on loopback that can fall silent, as one to which the
// network is cut: who connects to it then hears nothing at all. It ends with the
// test.
package silence

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// TB is what a Place needs of a test.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Place accepts connections on loopback, and closes them.
type Place struct {
	tb       TB
	listener *net.TCPListener

	mu       sync.Mutex
	over     chan struct{} // closed when nobody accepts any more; nil while silent
	waiting  []net.Conn    // connections that nobody accepts
	accepted int
}

// New returns a Place that accepts connections.
func New(tb TB) *Place {
	tb.Helper()
	l, err := listen()
	if err != nil {
		tb.Fatalf("nobody can listen: %v", err)
	}
	p := &Place{tb: tb, listener: l}
	p.Speak()
	tb.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		over := p.over
		p.mu.Unlock()
		if over != nil {
			<-over
		}
		p.hangUp()
	})
	return p
}

// listen listens with no room for connections that wait: the system drops every
// packet of those for which there is none.
func listen() (*net.TCPListener, error) {
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "place")
	defer func() { _ = file.Close() }()
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, err
	}
	if err := syscall.Listen(fd, 0); err != nil {
		return nil, err
	}
	l, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// Addr returns host and port.
func (p *Place) Addr() string { return p.listener.Addr().String() }

// Accepted returns how many connections were accepted.
func (p *Place) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Speak lets it answer.
func (p *Place) Speak() {
	p.hangUp()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over != nil {
		return
	}
	_ = p.listener.SetDeadline(time.Time{})
	over := make(chan struct{})
	p.over = over
	go func() {
		defer close(over)
		for {
			conn, err := p.listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
			p.mu.Lock()
			p.accepted++
			p.mu.Unlock()
		}
	}()
}

// Silence lets nothing come back from it any more.
func (p *Place) Silence() {
	p.tb.Helper()
	p.mu.Lock()
	over := p.over
	p.over = nil
	p.mu.Unlock()
	if over == nil {
		return
	}
	_ = p.listener.SetDeadline(time.Unix(1, 0))
	<-over
	for range 100 {
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.Addr())
		cancel()
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err == nil {
			p.mu.Lock()
			p.waiting = append(p.waiting, conn)
			p.mu.Unlock()
		}
	}
	p.tb.Fatalf("%s goes on answering", p.Addr())
}

func (p *Place) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.waiting {
		_ = conn.Close()
	}
	p.waiting = nil
}
