package socketio

import (
	"fmt"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// diary is a watcher that writes down what it hears of one socket.
type diary struct {
	of *Socket

	mu    sync.Mutex
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string{}, d.lines...)
}

func (d *diary) Wants(s *Socket) bool { return s == d.of }
func (d *diary) Event(_ *Socket, sent bool, args Args) {
	d.note("sent=%t %s", sent, args.JSON())
}
func (d *diary) Joined(_ *Socket, rooms []string) { d.note("joined %v", rooms) }
func (d *diary) Left(_ *Socket, rooms []string)   { d.note("left %v", rooms) }

// brokenWatcher panics wherever it can.
type brokenWatcher struct{}

func (brokenWatcher) Wants(*Socket) bool        { panic("secret") }
func (brokenWatcher) Event(*Socket, bool, Args) { panic("secret") }
func (brokenWatcher) Joined(*Socket, []string)  { panic("secret") }
func (brokenWatcher) Left(*Socket, []string)    { panic("secret") }

var _ = Describe("a watcher of a namespace", func() {
	It("hears what happens to the sockets that it wants to hear of, until there is none", func() {
		srv, connect := serve(Options{})
		n := srv.Of("/")
		n.On("ask", func(s *Socket, _ Args, _ Ack) { _ = s.Emit("answer", 2) })
		p, s := joined(n, connect)
		_, other := joined(n, connect)
		d := &diary{of: s}
		n.Watch(d)

		p.send(`42["ask",{"a":1}]`)
		Expect(p.next()).To(Equal(`42["answer",2]`))
		Expect(n.Emit("all", "x")).To(Succeed())
		Expect(p.next()).To(Equal(`42["all","x"]`))
		prepared, err := n.Prepare("ready", 3)
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Send(prepared)).To(Succeed())
		Expect(other.Emit("not", "for it")).To(Succeed())
		Expect(s.Join("a", "b")).To(Succeed())
		Expect(s.Join("a", "c", s.ID())).To(Succeed())
		Expect(other.Join("a")).To(Succeed())
		s.Leave("b", "never in")
		s.Leave("b")
		n.Watch(nil)
		s.Leave("c")
		Expect(n.Emit("all", "y")).To(Succeed())
		Expect(d.read()).To(Equal([]string{
			`sent=false ["ask",{"a":1}]`, `sent=true ["answer",2]`, `sent=true ["all","x"]`, `sent=true ["ready",3]`,
			"joined [a b]", "joined [c]", "left [b]",
		}))
	})

	It("hears each event once where events are kept for clients that were away", func() {
		srv, connect := serve(Options{Recovery: &Recovery{}})
		_, s := joined(srv.Of("/"), connect)
		d := &diary{of: s}
		srv.Of("/").Watch(d)
		Expect(s.Emit("one")).To(Succeed())
		Expect(srv.Of("/").Emit("two")).To(Succeed())
		Expect(d.read()).To(Equal([]string{`sent=true ["one"]`, `sent=true ["two"]`}))
	})

	It("costs nobody anything where it panics", func() {
		srv, connect := serve(Options{})
		p, s := joined(srv.Of("/"), connect)
		srv.Of("/").Watch(brokenWatcher{})
		Expect(s.Emit("one")).To(Succeed())
		Expect(srv.Of("/").Emit("two")).To(Succeed())
		Expect(s.Join("room")).To(Succeed())
		Expect(p.next()).To(Equal(`42["one"]`))
		Expect(p.next()).To(Equal(`42["two"]`))
		Expect(srv.Panics()).To(BeNumerically(">", 0))
	})
})

var _ = It("recovers no client in a namespace that does not want to", func() {
	srv, connect := serve(Options{Recovery: &Recovery{}})
	srv.Of("/strict").DisableRecovery()
	p := connect("")
	p.send("40/strict,", "40")
	Expect(p.next()).To(MatchRegexp(`^40/strict,\{"sid":"[^"]{20}"\}$`))
	Expect(p.next()).To(ContainSubstring(`"pid":`))
	Expect(srv.Namespaces()).To(HaveExactElements(HaveField("Name()", "/"), HaveField("Name()", "/strict")))
})
