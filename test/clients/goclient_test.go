package clients

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/engineio"
	engine "github.com/devops-insights/devops-insights/socket/engineio/client"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/socket/socketio/client"
)

const limit = NodeTimeout(60 * time.Second)

// peer is a server in a process of its own.
type peer struct {
	command []string
	port    string
	cmd     *exec.Cmd
}

// launch starts a server, ours or Node's, on a free port.
func launch(kind string, args ...string) *peer {
	GinkgoHelper()
	p := &peer{command: append([]string{"node", "../js/server.mjs", "0"}, args...)}
	if kind == "ours" {
		program := filepath.Join(GinkgoT().TempDir(), "server")
		out, err := exec.Command("go", "build", "-o", program, "./server").CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		p.command = append([]string{program, "0"}, args...)
	}
	p.start()
	for i, each := range p.command {
		if each == "0" {
			p.command[i] = p.port // from now on
			break
		}
	}
	DeferCleanup(func() { p.kill() })
	return p
}

func (p *peer) start() {
	GinkgoHelper()
	p.cmd = exec.Command(p.command[0], p.command[1:]...)
	p.cmd.Stderr = GinkgoWriter
	out, err := p.cmd.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(p.cmd.Start()).To(Succeed())
	line, err := bufio.NewReader(out).ReadString('\n')
	Expect(err).NotTo(HaveOccurred(), "the server does not start; make deps says what is missing")
	p.port = strings.TrimSpace(strings.TrimPrefix(line, "listening "))
}

// stop ends the server in order, kill at once.
func (p *peer) stop() { p.end(syscall.SIGTERM) }
func (p *peer) kill() { p.end(syscall.SIGKILL) }

func (p *peer) end(s syscall.Signal) {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Signal(s)
		_ = p.cmd.Wait()
	}
}

func (p *peer) url() string { return "http://127.0.0.1:" + p.port }

// dashboard is a Go client whose events a spec waits for.
type dashboard struct {
	*client.Client
	*client.Socket
	connects chan bool // recovered
	reasons  chan client.Reason
	errors   chan error
	events   map[string]chan string
}

func newDashboard(url string, transports []string, events ...string) *dashboard {
	GinkgoHelper()
	c, err := client.New(url, client.Options{
		ReconnectDelay: 20 * time.Millisecond, ReconnectDelayMax: 100 * time.Millisecond,
		Engine: engine.Options{Transports: transports},
		Auth:   func(context.Context, string) (any, error) { return map[string]string{"token": "abc"}, nil },
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx SpecContext) { Expect(c.Close(ctx)).To(Succeed()) })
	d := &dashboard{
		Client: c, Socket: c.Of("/"), events: make(map[string]chan string),
		connects: make(chan bool, 100), reasons: make(chan client.Reason, 100), errors: make(chan error, 10_000),
	}
	d.OnConnect(func() { d.connects <- d.Recovered() })
	d.OnDisconnect(func(r client.Reason) { d.reasons <- r })
	d.OnConnectError(func(err error) { d.errors <- err })
	for _, name := range events {
		heard := make(chan string, 10_000)
		d.events[name] = heard
		d.On(name, func(args socketio.Args, _ socketio.Ack) { heard <- string(args.JSON()) })
	}
	return d
}

// back waits until the dashboard, which was away, is served again, whatever
// number of attempts that took.
func (d *dashboard) back(ctx context.Context) {
	GinkgoHelper()
	Eventually(ctx, d.connects).Should(Receive())
	Eventually(ctx, func() (string, error) {
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return client.Ask[string](short, d.Socket, "message-with-ack", "there?")
	}).Should(Equal("there?"))
}

var _ = DescribeTableSubtree("the Go client", func(kind, last string, transports ...string) {
	var p *peer
	var d *dashboard
	BeforeEach(func(ctx SpecContext) {
		p = launch(kind)
		d = newDashboard(p.url(), transports, "auth", "message-back", "number", "asked", "told")
		Expect(d.Connect(ctx)).To(Succeed())
		Eventually(ctx, d.connects).Should(Receive(BeFalse()))
	}, limit)

	It("speaks the whole protocol", limit, func(ctx SpecContext) {
		Eventually(ctx, d.events["auth"]).Should(Receive(MatchRegexp(`^\[\{"token":"abc"\},".+"\]$`)), "the payload, and the offset of the recovery")
		Eventually(ctx, d.Transport).Should(Equal(last))

		By("events, text and binary")
		values := make(chan []any, 10)
		d.Off("message-back")
		d.On("message-back", func(args socketio.Args, _ socketio.Ack) {
			all := args.Values()
			values <- all[:len(all)-1] // without the offset
		})
		Expect(d.Emit("message", 1, "2", map[string]any{"3": []any{true}}, "€ 😀")).To(Succeed())
		var got []any
		Eventually(ctx, values).Should(Receive(&got))
		Expect(jsonOf(got)).To(MatchJSON(`[1,"2",{"3":[true]},"€ 😀"]`))
		Expect(d.Emit("message", map[string]any{"deep": []any{[]byte{1, 2, 3}}}, []byte{4})).To(Succeed())
		Eventually(ctx, values).Should(Receive(Equal([]any{map[string]any{"deep": []any{[]byte{1, 2, 3}}}, []byte{4}})))

		By("acknowledgements both ways")
		answer, err := d.EmitWithAck(ctx, "message-with-ack", "a", nil, []byte{5})
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.Value(0)).To(Equal("a"))
		Expect(answer.Value(1)).To(BeNil())
		Expect(answer.Value(2)).To(Equal([]byte{5}))
		d.On("question", func(args socketio.Args, ack socketio.Ack) {
			var text string
			_ = args.Decode(0, &text)
			_ = ack(text + "?")
		})
		Expect(d.Emit("ask")).To(Succeed())
		Eventually(ctx, d.events["asked"]).Should(Receive(HavePrefix(`["why?"`)))

		By("1000 events in order")
		Expect(d.Emit("count", 1000)).To(Succeed())
		for i := range 1000 {
			Eventually(ctx, d.events["number"]).Should(Receive(HavePrefix("[" + strconv.Itoa(i) + ",")))
		}

		By("rooms")
		other := newDashboard(p.url(), transports, "told")
		Expect(other.Connect(ctx)).To(Succeed())
		Expect(client.Ask[bool](ctx, other.Socket, "join", "room")).To(BeTrue())
		Expect(d.Emit("tell", "room", "news")).To(Succeed())
		Eventually(ctx, other.events["told"]).Should(Receive(HavePrefix(`["news"`)))
		Expect(client.Ask[string](ctx, d.Socket, "message-with-ack", "after")).To(Equal("after"))
		Expect(d.events["told"]).To(BeEmpty(), "it is not in the room")

		By("namespaces, and one that refuses")
		custom := d.Of("/custom")
		Expect(custom.Connect(ctx)).To(Succeed())
		Expect(client.Ask[string](ctx, custom, "message-with-ack", "in custom")).To(Equal("in custom"))
		refused := &client.ConnectError{}
		Expect(errors.As(d.Of("/refused").Connect(ctx), &refused)).To(BeTrue())
		Expect(refused.Message).To(Equal("not you"))
		Expect(string(refused.Data)).To(MatchJSON(`{"code":7}`))
		Expect(d.Of("/nowhere").Connect(ctx)).To(MatchError(ContainSubstring("Invalid namespace")))

		By("the server's disconnect(), after which it stays away")
		Expect(d.Emit("kick me")).To(Succeed())
		Eventually(ctx, d.reasons).Should(Receive(Equal(client.ReasonServerDisconnect)))
		Consistently(d.connects, "200ms").ShouldNot(Receive())
	})

	It("recovers what it missed while its connection was lost", limit, func(ctx SpecContext) {
		sender := newDashboard(p.url(), []string{engineio.Websocket})
		Expect(sender.Connect(ctx)).To(Succeed())
		Expect(client.Ask[bool](ctx, d.Socket, "join", "room")).To(BeTrue())
		id := d.ID()
		for i := range 3 {
			Expect(sender.Emit("tell", "room", i)).To(Succeed())
			Eventually(ctx, d.events["told"]).Should(Receive(HavePrefix("[" + strconv.Itoa(i) + ",")))
		}
		Expect(d.Emit("drop me")).To(Succeed())
		for i := 3; i < 20; i++ {
			Expect(sender.Emit("tell", "room", i)).To(Succeed())
		}
		Eventually(ctx, d.reasons).Should(Receive(BeElementOf(client.ReasonTransportClose, client.ReasonTransportError)))
		Eventually(ctx, d.connects).Should(Receive(BeTrue()))
		for i := 3; i < 20; i++ {
			Eventually(ctx, d.events["told"]).Should(Receive(HavePrefix("[" + strconv.Itoa(i) + ",")))
		}
		Expect(d.ID()).To(Equal(id))
		Expect(d.events["told"]).To(BeEmpty(), "each once")
	})

	DescribeTable("comes back when the server", func(ctx SpecContext, ends func(*peer)) {
		Eventually(ctx, d.Transport).Should(Equal(last))
		ends(p)
		Eventually(ctx, d.reasons).Should(Receive(BeElementOf(client.ReasonTransportClose, client.ReasonTransportError)))
		Eventually(ctx, d.errors).Should(Receive(MatchError(ContainSubstring("refused"))), "an attempt failed")
		Expect(d.Emit("message", "waited")).To(Succeed())
		p.start()
		Eventually(ctx, d.events["message-back"]).Should(Receive(HavePrefix(`["waited"`)))
		d.back(ctx)
	}, Entry("was killed", limit, (*peer).kill), Entry("was stopped in order", limit, (*peer).stop))
},
	Entry("with our server, polling", "ours", engineio.Polling, engineio.Polling),
	Entry("with our server, websocket", "ours", engineio.Websocket, engineio.Websocket),
	Entry("with our server, upgrade", "ours", engineio.Websocket, engineio.Polling, engineio.Websocket),
	Entry("with Node's server, polling", "node", engineio.Polling, engineio.Polling),
	Entry("with Node's server, websocket", "node", engineio.Websocket, engineio.Websocket),
	Entry("with Node's server, upgrade", "node", engineio.Websocket, engineio.Polling, engineio.Websocket),
)

var _ = DescribeTable("the Go client when the server goes silent", func(ctx SpecContext, kind string, transports ...string) {
	p := launch(kind, "200", "200")
	d := newDashboard(p.url(), transports)
	Expect(d.Connect(ctx)).To(Succeed())
	Eventually(ctx, d.connects).Should(Receive())
	Eventually(ctx, d.Transport).Should(Equal(transports[len(transports)-1]))
	Consistently(d.reasons, "1s").ShouldNot(Receive(), "it answers the heartbeats")
	Expect(p.cmd.Process.Signal(syscall.SIGSTOP)).To(Succeed())
	Eventually(ctx, d.reasons).Should(Receive(Equal(client.ReasonPingTimeout)))
	Expect(p.cmd.Process.Signal(syscall.SIGCONT)).To(Succeed())
	d.back(ctx)
},
	Entry("ours, polling", limit, "ours", engineio.Polling),
	Entry("ours, websocket", limit, "ours", engineio.Websocket),
	Entry("ours, upgrade", limit, "ours", engineio.Polling, engineio.Websocket),
	Entry("Node's, polling", limit, "node", engineio.Polling),
	Entry("Node's, websocket", limit, "node", engineio.Websocket),
	Entry("Node's, upgrade", limit, "node", engineio.Polling, engineio.Websocket),
)

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	Expect(err).NotTo(HaveOccurred())
	return string(b)
}
