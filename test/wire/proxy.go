package wire

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"
)

// Proxy stands between a client and a server and spoils the connection on
// command: what no real server does when it is asked to.
type Proxy struct {
	target   string
	listener net.Listener
	work     sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]*line
	cutAt  int    // bytes of an answer that still pass; 0: all of them
	cutOn  string // cuts the answer that holds it; empty: none
	delay  time.Duration
	answer time.Duration // the delay of answers alone
	cut    bool          // no connection is let through
	hang   bool          // new connections are frozen from the start
	stream bool          // no answers to who follows changes
	closed bool
}

// line is one connection through the proxy.
type line struct {
	mu     sync.Mutex
	frozen bool
	muted  bool
	stream bool // what was asked last is about a change stream
}

func (l *line) silent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.frozen
}

func (l *line) mute() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.frozen || l.muted
}

// Through starts a proxy in front of the server.
func (s *Server) Through(tb TB) *Proxy {
	tb.Helper()
	return through(tb, "127.0.0.1:"+s.port)
}

// Through starts a proxy in front of the server.
func (r *Redis) Through(tb TB) *Proxy {
	tb.Helper()
	return through(tb, r.Addr)
}

func through(tb TB, target string) *Proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("the proxy cannot listen: %v", err)
	}
	p := &Proxy{target: target, listener: l, conns: make(map[net.Conn]*line)}
	p.work.Go(p.accept)
	tb.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		p.closed = true
		for c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.work.Wait()
	})
	return p
}

// URI turns one of the server into one through the proxy.
func (p *Proxy) URI(uri string) string {
	return strings.Replace(uri, p.target, p.listener.Addr().String(), 1)
}

// Silence lets nothing more through on the connections there are, without
// closing them; new ones work.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.conns {
		l.mu.Lock()
		l.frozen = true
		l.mu.Unlock()
	}
}

// Mute lets no more answers through on the connections there are; what is sent
// arrives. New ones work.
func (p *Proxy) Mute() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.conns {
		l.mu.Lock()
		l.muted = true
		l.mu.Unlock()
	}
}

// MuteStream lets no more answers through on connections that follow changes, also
// on those to come, until Heal; all others work.
func (p *Proxy) MuteStream() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stream = true
	for _, l := range p.conns {
		l.mu.Lock()
		l.muted = l.muted || l.stream
		l.mu.Unlock()
	}
}

// asks notes what a client sends: whether it is about a change stream. Its driver
// takes any connection for each of the questions of one stream.
func (p *Proxy) asks(l *line, question []byte) int {
	awaits := bytes.Contains(question, []byte("getMore")) && bytes.Contains(question, []byte("maxTimeMS"))
	p.mu.Lock()
	muted := p.stream
	p.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stream = awaits || bytes.Contains(question, []byte("$changeStream"))
	l.muted = l.muted || l.stream && muted
	return len(question)
}

// Cut ends the connections there are and every new one, until Heal.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for c := range p.conns {
		_ = c.Close()
	}
}

// Hang lets nothing more through, on the connections there are and on new ones,
// without closing them, until Heal.
func (p *Proxy) Hang() {
	p.mu.Lock()
	p.hang = true
	p.mu.Unlock()
	p.Silence()
}

// Heal ends Cut, Hang and MuteStream; connections that hung end.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	streams := p.stream
	p.cut, p.hang, p.stream = false, false, false
	for c, l := range p.conns {
		if l.silent() || streams && l.mute() {
			_ = c.Close()
		}
	}
}

// Delay holds back whatever comes, in either direction, for up to d.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	p.delay = d
	p.mu.Unlock()
}

// DelayAnswers holds back every answer for d; what is sent arrives at once.
func (p *Proxy) DelayAnswers(d time.Duration) {
	p.mu.Lock()
	p.answer = d
	p.mu.Unlock()
}

// answered waits as long as an answer is held back, and returns how much of it
// passes.
func (p *Proxy) answered(b []byte) int {
	p.mu.Lock()
	d := p.answer
	p.mu.Unlock()
	if d > 0 && len(b) > 0 {
		time.Sleep(d)
	}
	return p.passes(b)
}

// wait is the delay of one piece.
func (p *Proxy) wait() {
	p.mu.Lock()
	d := p.delay
	p.mu.Unlock()
	if d > 0 {
		time.Sleep(d/2 + rand.N(d/2+1)) // #nosec G404 -- slowness is what is wanted
	}
}

// CutNext cuts the connection of the next answer that is longer than n bytes
// after these n.
func (p *Proxy) CutNext(n int) {
	p.mu.Lock()
	p.cutAt = n
	p.mu.Unlock()
}

// CutAnswer cuts the connection of the next answer that holds the text, and
// lets nothing of it through: what was asked for is done, and nobody hears so.
func (p *Proxy) CutAnswer(text string) {
	p.mu.Lock()
	p.cutOn = text
	p.mu.Unlock()
}

// HasCut reports whether CutNext or CutAnswer has found its answer.
func (p *Proxy) HasCut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cutAt == 0 && p.cutOn == ""
}

// passes returns how much of an answer passes; less than all cuts.
func (p *Proxy) passes(answer []byte) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(answer)
	if p.cutOn != "" && bytes.Contains(answer, []byte(p.cutOn)) {
		n, p.cutOn = 0, ""
	}
	if p.cutAt > 0 && n > p.cutAt {
		n, p.cutAt = p.cutAt, 0
	}
	return n
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		l := &line{}
		p.mu.Lock()
		if p.closed || p.cut {
			closed := p.closed
			p.mu.Unlock()
			_, _ = client.Close(), server.Close()
			if closed {
				return
			}
			continue
		}
		l.frozen = p.hang
		p.conns[client], p.conns[server] = l, l
		p.mu.Unlock()
		p.work.Go(func() { p.pipe(client, server, l.silent, func(b []byte) int { return p.asks(l, b) }) })
		p.work.Go(func() { p.pipe(server, client, l.mute, p.answered) })
	}
}

// pipe copies until an end closes; both then close.
func (p *Proxy) pipe(from, to net.Conn, stopped func() bool, passes func([]byte) int) {
	defer func() {
		_, _ = from.Close(), to.Close()
		p.mu.Lock()
		delete(p.conns, from)
		p.mu.Unlock()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if stopped() {
			_, _ = io.Copy(io.Discard, from)
			return
		}
		p.wait()
		allowed := passes(buffer[:n])
		if _, writeErr := to.Write(buffer[:allowed]); writeErr != nil || allowed < n || err != nil {
			return
		}
	}
}
