package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is one of the programs that are compared.
type server struct {
	name    string
	command []string
	env     []string
}

// ours is the name of the server that the others are compared with.
const ours = "ours"

// place orders the servers in the tables.
func place(name string) int {
	return slices.Index([]string{ours, "ours-plain", "node", "limit", "zishang520"}, name)
}

// servers builds the programs into dir and returns them. root is the
// repository.
func servers(ctx context.Context, root, dir string) ([]server, error) {
	build := func(name, module, pkg string) (string, error) {
		out := filepath.Join(dir, name)
		cmd := exec.CommandContext(ctx, "go", "build", "-C", module, "-trimpath", "-o", out, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s cannot be built: %w\n%s", name, err, text)
		}
		return out, nil
	}
	product, err1 := build("devops-insights", root, "./cmd/devops-insights")
	limit, err2 := build("limit", ".", "./peers/limit")
	peer, err3 := build("zishang520", ".", "./peers/zishang520")
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	modules, err := filepath.Abs(filepath.Join(root, "test/js/node_modules"))
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(modules, "socket.io")); err != nil {
		return nil, fmt.Errorf("the Node peer is not installed: run make deps: %w", err)
	}
	settings := []string{"EXTERNAL_API_NAME=acme", "LOG_LEVEL=error", "NODE_ENV=production", "SERVER_HOST=127.0.0.1"}
	return []server{
		{name: ours, command: []string{product}, env: settings},
		{name: "ours-plain", command: []string{product}, env: append(slices.Clip(settings), "WEBSOCKET_COMPRESSION=0")},
		{name: "node", command: []string{"node", "peers/node/server.js"},
			env: []string{"NODE_ENV=production", "NODE_PATH=" + modules}},
		{name: "limit", command: []string{limit}},
		{name: "zishang520", command: []string{peer}},
	}, nil
}

// process is a server that runs.
type process struct {
	addr string
	cmd  *exec.Cmd
	over chan error
	out  *os.File
}

// start runs the server on a free port with an empty data directory.
func (s server) start(ctx context.Context, dir string, p profile, upstream string) (*process, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	data, err := os.MkdirTemp(dir, s.name)
	if err != nil {
		return nil, err
	}
	out, err := os.Create(filepath.Join(data, "output"))
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, s.command[0], s.command[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	_, port, _ := strings.Cut(addr, ":")
	interval := p.interval()
	cmd.Env = append(os.Environ(), append([]string{
		"SERVER_PORT=" + port, "UPSTREAM_URL=" + upstream, "POLL_INTERVAL=" + interval.String(), "DATA_DIR=" + data,
		"BENCH_INTERVAL_MS=" + strconv.FormatInt(interval.Milliseconds(), 10), "BENCH_REGIONS=" + strings.Join(regions(), ","),
	}, s.env...)...)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s does not start: %w", s.name, err)
	}
	started := &process{addr: addr, cmd: cmd, over: make(chan error, 1), out: out}
	go func() { started.over <- cmd.Wait() }()
	return started, nil
}

// stop ends the process, with force after five seconds.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.over:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.over
	}
	_ = p.out.Close()
}

// died returns an error with the last words of a process that has ended.
func (p *process) died() error {
	select {
	case err := <-p.over:
		p.over <- err
		text, _ := os.ReadFile(p.out.Name())
		return fmt.Errorf("the server ended (%w): %s", err, text[max(0, len(text)-2000):])
	default:
		return nil
	}
}

// cpu returns the time that all threads have run, user and system together.
func (p *process) cpu() (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	if err != nil || len(tasks) == 0 {
		return 0, errors.Join(err, p.died(), errors.New("the CPU time of a process is read from /proc: Linux is needed"))
	}
	var sum time.Duration
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended meanwhile
		}
		first, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", task, err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// memory returns the resident memory in bytes.
func (p *process) memory() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0, errors.Join(err, p.died())
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("statm: %q", text)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// busy returns the time that all cores together have worked since they were
// switched on, for whomever.
func busy() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	var ticks int64
	for i, field := range strings.Fields(line)[1:] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		if i != 3 && i != 4 && i < 8 { // idle, iowait; guests are counted twice
			ticks += n
		}
	}
	return time.Duration(ticks) * (time.Second / 100), nil
}

// own returns the time that this process has worked.
func own() (time.Duration, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}
