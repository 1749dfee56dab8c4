package clients

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

// instance serves on the address, until stop is called.
func instance(addr string) (url string, clients <-chan *socketio.Socket, stop func(context.Context)) {
	GinkgoHelper()
	options := socketio.Options{}
	options.Engine.AllowEIO3 = true
	srv := socketio.NewServer(options)
	connected := make(chan *socketio.Socket, 10)
	srv.Of("/").OnConnect(func(s *socketio.Socket) { connected <- s })
	srv.Of("/").On("metrics:subscribe", func(s *socketio.Socket, _ socketio.Args, _ socketio.Ack) {
		_ = s.Emit("metrics-update", map[string]any{"data": map[string]int{"n": 1}})
	})
	l, err := net.Listen("tcp", addr)
	Expect(err).NotTo(HaveOccurred())
	web := &http.Server{Handler: srv, ReadHeaderTimeout: time.Minute}
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = web.Serve(l) // until the shutdown
	}()
	return "http://" + l.Addr().String(), connected, func(ctx context.Context) {
		GinkgoHelper()
		srv.Drain(ctx, 10*time.Millisecond)
		Expect(srv.Close(ctx)).To(Succeed())
		Expect(web.Shutdown(ctx)).To(Succeed())
		<-over
	}
}

// clientProgram is a client in a process of its own. It says "connected",
// "heard" when it hears of its region, "lost", and at last prints an object.
type clientProgram struct {
	out  *gbytes.Buffer
	over chan error
}

func startClient(ctx context.Context, dir, program string, args ...string) *clientProgram {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	DeferCleanup(cancel)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Stderr = GinkgoWriter
	cmd.WaitDelay = time.Second
	c := &clientProgram{out: gbytes.NewBuffer(), over: make(chan error, 1)}
	cmd.Stdout = c.out
	Expect(cmd.Start()).To(Succeed())
	go func() { c.over <- cmd.Wait() }()
	Eventually(c.out, "30s").Should(gbytes.Say("connected"))
	Eventually(c.out, "10s").Should(gbytes.Say("heard"))
	return c
}

// seen waits for the end of the program and returns the object that it printed.
func (c *clientProgram) seen() map[string]any {
	GinkgoHelper()
	Eventually(c.over, "15s").Should(Receive(Succeed()), func() string { return string(c.out.Contents()) })
	lines := strings.Split(strings.TrimSpace(string(c.out.Contents())), "\n")
	var seen map[string]any
	Expect(json.Unmarshal([]byte(lines[len(lines)-1]), &seen)).To(Succeed(), "%s", c.out.Contents())
	return seen
}

// comesBack stops the server under a client program and starts another one;
// then it does so with the whole program, whose next update the client hears.
func comesBack(ctx context.Context, dir, program, transports string, args func(url string) []string) map[string]any {
	GinkgoHelper()
	url, clients, stop := instance("127.0.0.1:0")
	c := startClient(ctx, dir, program, args(url)...)
	var client *socketio.Socket
	Eventually(clients, "10s").Should(Receive(&client))
	last := transports[strings.LastIndex(transports, ",")+1:]
	Eventually(client.Session().Transport, "10s").Should(Equal(last))
	stop(ctx)
	// Its ping timeout would be 45 s.
	Eventually(c.out, "5s").Should(gbytes.Say("lost"))
	_, _, stop = instance(url[len("http://"):])
	DeferCleanup(func(ctx SpecContext) { stop(ctx) })
	seen := c.seen()
	Expect(seen).To(HaveKeyWithValue("update", map[string]any{"n": 1.0}))

	By("restarting the program")
	p := startProgram()
	c = startClient(ctx, dir, program, args(p.url)...)
	before := p.restart(func() { Eventually(c.out, "5s").Should(gbytes.Say("lost")) })
	again := c.seen()
	Expect(again).To(HaveKeyWithValue("update", HaveKeyWithValue("n", BeNumerically(">", before))), "a value of after the restart")
	delete(seen, "update")
	delete(again, "update")
	Expect(again).To(Equal(seen), "as with the bare server")
	return seen
}

var _ = DescribeTable("a server that stops brings back the JavaScript client", func(ctx SpecContext, client, transports, reason string) {
	Expect(comesBack(ctx, "../js", "node", transports, func(url string) []string {
		return []string{"shutdown.mjs", client, url, transports}
	})).To(Equal(map[string]any{"lost": reason, "back": true}))
},
	Entry("4.8 on websocket", "socket.io-client", "websocket", "transport close"),
	Entry("4.8 on polling", "socket.io-client", "polling", "transport error"),
	Entry("4.8 after an upgrade", "socket.io-client", "polling,websocket", "transport close"),
	Entry("3.1 on websocket", "socket.io-client-3", "websocket", "transport close"),
	Entry("3.1 on polling", "socket.io-client-3", "polling", "transport error"),
	Entry("2.5 on websocket", "socket.io-client-2", "websocket", "transport close"),
	Entry("2.5 on polling", "socket.io-client-2", "polling", "transport error"),
)

var _ = DescribeTable("a server that stops brings back the Python client", func(ctx SpecContext, transports string) {
	python, err := filepath.Abs("../py/.venv/bin/python")
	Expect(err).NotTo(HaveOccurred())
	if _, err := os.Stat(python); err != nil {
		Skip("python-socketio is not installed: make deps says why")
	}
	Expect(comesBack(ctx, "../py", python, transports, func(url string) []string {
		return []string{"shutdown.py", url, transports}
	})).To(Equal(map[string]any{"lost": "transport error", "back": true}))
}, Entry("on websocket", "websocket"), Entry("on polling", "polling"), Entry("after an upgrade", "polling,websocket"))

var _ = DescribeTable("a server that stops brings back the Java client", func(ctx SpecContext, transports, reason string) {
	if _, err := exec.LookPath("java"); err != nil {
		Skip("Java is not installed: make deps says why")
	}
	if _, err := os.Stat("../java/lib"); err != nil {
		Skip("the Java client is not installed: make deps says why")
	}
	Expect(comesBack(ctx, "../java", "java", transports, func(url string) []string {
		return []string{"-cp", "lib/*", "Shutdown.java", url, transports}
	})).To(Equal(map[string]any{"lost": reason, "back": true}))
},
	Entry("on websocket", "websocket", "transport error"),
	Entry("on polling", "polling", "transport error"),
	Entry("after an upgrade", "polling,websocket", "transport error"),
)

var _ = DescribeTable("a server that stops brings back the Rust client", func(ctx SpecContext, transports string) {
	program, err := filepath.Abs("../rust/target/debug/shutdown")
	Expect(err).NotTo(HaveOccurred())
	if _, err := os.Stat(program); err != nil {
		Skip("the Rust client is not built: make deps says why")
	}
	// The client does not tell why it lost the connection.
	Expect(comesBack(ctx, "../rust", program, transports, func(url string) []string {
		return []string{url, transports}
	})).To(Equal(map[string]any{"back": true}))
}, Entry("on websocket", "websocket"), Entry("on polling", "polling"), Entry("after an upgrade", "polling,websocket"))
