package adminui

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"github.com/devops-insights/devops-insights/socket/engineio"
	engine "github.com/devops-insights/devops-insights/socket/engineio/client"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/socket/socketio/client"
)

func TestAdminUI(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "The admin namespace")
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

const (
	password = "hunter2 hunter2"
	token    = "0123456789abcdef-token"
)

var hash = sync.OnceValue(func() string {
	b, _ := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost) // a short text has a hash
	return string(b)
})

// clock goes as fast as the machine's, and can be put forward.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) forward(by time.Duration) {
	c.mu.Lock()
	c.ahead += by
	c.mu.Unlock()
}

// logBuffer takes the log.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// lines returns the lines of the log that contain the text.
func (l *logBuffer) lines(text string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.SplitSeq(l.text.String(), "\n") {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// instance is a server with an admin namespace.
type instance struct {
	*Admin
	url    string
	server *socketio.Server
	clock  *clock
	log    *logBuffer
}

func start(change ...func(*Options, *socketio.Options)) *instance {
	GinkgoHelper()
	in := &instance{clock: new(clock), log: new(logBuffer)}
	logger := logrus.New()
	logger.SetOutput(in.log)
	logger.SetFormatter(&logrus.JSONFormatter{})
	so := socketio.Options{Engine: engineio.Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
	o := Options{
		ServerID: "here", Hostname: "host", PID: 7, Started: time.Now(), Interval: 50 * time.Millisecond, Now: in.clock.now,
		Credentials: Credentials{User: "admin", PasswordHash: hash(), Token: token}, Sessions: NewMemory(in.clock.now), Logger: logger,
	}
	for _, f := range change {
		f(&o, &so)
	}
	in.server = socketio.NewServer(so)
	o.Server = in.server
	in.Admin = New(o)
	web := httptest.NewServer(in.server)
	in.url = web.URL
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error)
	go func() { over <- in.Run(ctx) }()
	DeferCleanup(func(ctx SpecContext) {
		cancel()
		Eventually(over, "10s").Should(Receive(Not(HaveOccurred())))
		Expect(in.server.Close(ctx)).To(Succeed())
		web.Close()
	})
	return in
}

func full(o *Options, _ *socketio.Options)        { o.Full = true }
func development(o *Options, _ *socketio.Options) { o.Development = true }

// person is a client, an administrator or a dashboard.
type person struct {
	*client.Socket
	events chan event
	gone   chan client.Reason
}

type event struct {
	name string
	args socketio.Args
}

// join connects somebody who comes from an address.
func (in *instance) join(namespace, from string, auth any, header ...string) (person, error) {
	GinkgoHelper()
	h := http.Header{"X-Forwarded-For": {from}}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	c, err := client.New(in.url, client.Options{
		ReconnectAttempts: -1, Engine: engine.Options{Header: h, Transports: []string{engineio.Websocket}},
		Auth: func(context.Context, string) (any, error) { return auth, nil },
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx SpecContext) { _ = c.Close(ctx) })
	p := person{c.Of(namespace), make(chan event, 10_000), make(chan client.Reason, 1)}
	p.OnAny(func(name string, args socketio.Args) { p.events <- event{name, args} })
	p.OnDisconnect(func(r client.Reason) { p.gone <- r })
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return p, p.Connect(ctx)
}

// administrator logs in.
func (in *instance) administrator() person {
	GinkgoHelper()
	p, err := in.join(Name, "10.0.0.1", map[string]string{"username": "admin", "password": password})
	Expect(err).NotTo(HaveOccurred())
	return p
}

// dashboard connects a client that is none.
func (in *instance) dashboard(header ...string) person {
	GinkgoHelper()
	p, err := in.join("/", "10.0.0.9", nil, header...)
	Expect(err).NotTo(HaveOccurred())
	return p
}

// hear returns the first argument of the next event of that name.
func (p person) hear(name string) json.RawMessage {
	GinkgoHelper()
	return p.hearAll(name).Raw(0)
}

func (p person) hearAll(name string) socketio.Args {
	GinkgoHelper()
	for deadline := time.After(10 * time.Second); ; {
		select {
		case e := <-p.events:
			if e.name == name {
				return e.args
			}
		case <-deadline:
			Fail("the event never came: " + name)
		}
	}
}

// ask emits a command and returns the acknowledgement.
func (p person) ask(command string, args ...any) string {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	answer, err := p.EmitWithAck(ctx, command, args...)
	Expect(err).NotTo(HaveOccurred())
	return string(answer.Raw(0))
}

func plain(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s)
	return s
}
