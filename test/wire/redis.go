package wire

import (
	"context"
	"net"
	"os/exec"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis is a real Redis server of the test's own, without persistence.
type Redis struct {
	// Addr is host:port. It stays the same over Kill and Start.
	Addr string

	tb  TB
	cmd *exec.Cmd
	dir string
	arg []string
}

// StartRedis starts a server that ends with the test; args are further options
// of redis-server.
func StartRedis(tb TB, args ...string) *Redis {
	tb.Helper()
	r := &Redis{Addr: "127.0.0.1:" + freePort(tb), tb: tb, dir: tb.TempDir(), arg: args}
	r.Start()
	tb.Cleanup(r.Kill)
	return r
}

// URL is the address as settings expect it.
func (r *Redis) URL() string { return "redis://" + r.Addr }

// Start starts the server again after Kill.
func (r *Redis) Start() {
	r.tb.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		r.tb.Fatalf("redis-server is missing: make deps installs it or says why not")
	}
	_, port, _ := net.SplitHostPort(r.Addr)
	args := append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", r.dir}, r.arg...)
	r.cmd = exec.Command(program, args...) // #nosec G204 -- a test's own server
	if err := r.cmd.Start(); err != nil {
		r.tb.Fatalf("redis-server does not start: %v", err)
	}
	client := r.Client()
	defer func() { _ = client.Close() }()
	for deadline := time.Now().Add(20 * time.Second); client.Ping(context.Background()).Err() != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.tb.Fatalf("redis-server does not answer")
		}
	}
}

// Kill ends the server as SIGKILL does.
func (r *Redis) Kill() {
	if r.cmd != nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		r.cmd = nil
	}
}

// Pause lets the server do nothing, with its connections open, until Resume.
func (r *Redis) Pause() {
	r.tb.Helper()
	r.signal(syscall.SIGSTOP)
}

// Resume ends a Pause.
func (r *Redis) Resume() {
	r.tb.Helper()
	r.signal(syscall.SIGCONT)
}

func (r *Redis) signal(s syscall.Signal) {
	r.tb.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.tb.Fatalf("redis-server cannot be paused or resumed: %v", err)
	}
}

// Client returns a client, which the caller closes.
func (r *Redis) Client() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: r.Addr, DialTimeout: time.Second})
}
