package clients

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/engineio"
	engine "github.com/devops-insights/devops-insights/socket/engineio/client"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/socket/socketio/client"
	"github.com/devops-insights/devops-insights/test/binary"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/ports"
)

var built string

var _ = BeforeSuite(func() {
	var err error
	built, err = binary.Build(GinkgoT().TempDir())
	Expect(err).NotTo(HaveOccurred())
})

// wholeProgram is devops-insights in a process of its own, with an upstream
// that answers another value to each poll of us-east.
type wholeProgram struct {
	url    string
	values atomic.Int64
	dir    string
	env    []string
	cmd    *exec.Cmd
}

func startProgram() *wholeProgram {
	GinkgoHelper()
	p := &wholeProgram{dir: GinkgoT().TempDir()}
	up := kit.NewUpstream(GinkgoTB())
	up.Handle("us-east", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"n":%d}`, p.values.Add(1))
	})
	port, err := ports.Free(1)
	Expect(err).NotTo(HaveOccurred())
	p.url = "http://127.0.0.1:" + strconv.Itoa(port)
	p.env = []string{
		"SERVER_HOST=127.0.0.1", "SERVER_PORT=" + strconv.Itoa(port), "UPSTREAM_URL=" + up.Template(),
		"POLL_INTERVAL=250ms", "ALLOW_EIO3=true", "DRAIN_SPREAD=100ms",
	}
	p.start()
	DeferCleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		_ = p.cmd.Wait()
	})
	return p
}

func (p *wholeProgram) start() {
	GinkgoHelper()
	p.cmd = exec.Command(built)
	p.cmd.Dir, p.cmd.Env = p.dir, append(os.Environ(), p.env...)
	p.cmd.Stdout, p.cmd.Stderr = GinkgoWriter, GinkgoWriter
	Expect(p.cmd.Start()).To(Succeed())
	Eventually(func() bool {
		resp, err := http.Get(p.url + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, "20s", "20ms").Should(BeTrue())
}

// restart ends the program with SIGTERM, waits for what the dashboards make of
// it, and starts the program again. It returns the newest value of before.
func (p *wholeProgram) restart(lost func()) int64 {
	GinkgoHelper()
	Expect(p.cmd.Process.Signal(syscall.SIGTERM)).To(Succeed())
	lost()
	Expect(p.cmd.Wait()).To(Succeed())
	before := p.values.Load()
	p.start()
	return before
}

var _ = DescribeTable("the program that is restarted brings back the Go client", func(ctx SpecContext, transports ...string) {
	p := startProgram()
	c, err := client.New(p.url, client.Options{
		ReconnectDelay: 20 * time.Millisecond, ReconnectDelayMax: 100 * time.Millisecond,
		Engine: engine.Options{Transports: transports},
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx SpecContext) { Expect(c.Close(ctx)).To(Succeed()) })
	d := c.Of("/")
	lost, updates := make(chan client.Reason, 10), make(chan int64, 10_000)
	d.OnConnect(func() { _ = d.Emit("metrics:subscribe", map[string]string{"source": "us-east"}) })
	d.OnDisconnect(func(r client.Reason) { lost <- r })
	d.On("metrics-update", func(args socketio.Args, _ socketio.Ack) {
		var update struct{ Data struct{ N int64 } }
		if json.Unmarshal(args.Raw(0), &update) == nil {
			updates <- update.Data.N
		}
	})
	Expect(d.Connect(ctx)).To(Succeed())
	Eventually(ctx, updates).Should(Receive())
	Eventually(ctx, c.Transport).Should(Equal(transports[len(transports)-1]))
	before := p.restart(func() {
		Eventually(lost, "5s").Should(Receive(BeElementOf(client.ReasonTransportClose, client.ReasonTransportError)))
	})
	Eventually(ctx, updates).Should(Receive(BeNumerically(">", before)))
},
	Entry("on polling", limit, engineio.Polling),
	Entry("on websocket", limit, engineio.Websocket),
	Entry("after an upgrade", limit, engineio.Polling, engineio.Websocket),
)
