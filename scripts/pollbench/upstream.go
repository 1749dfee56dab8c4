//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/poller"
)

// answers are what the upstream has to say: most of the time the same.
type answers struct {
	list   []json.RawMessage
	change float64
}

func newAnswers(size int, change float64) answers {
	a := answers{change: change}
	for n := range 1000 {
		var b strings.Builder
		fmt.Fprintf(&b, `{"status":"ok","n":%d,"workers":[`, n)
		for i := 0; b.Len() < size-50; i++ {
			fmt.Fprintf(&b, `{"worker":%d,"load":%.3f,"name":"w-%d"},`, i, float64(i%97)/7, i)
		}
		b.WriteString(`{}]}`)
		a.list = append(a.list, json.RawMessage(b.String()))
	}
	return a
}

// next is the answer after the one of that number.
func (a answers) next(n *int) json.RawMessage {
	if rand.Float64() < a.change {
		*n = (*n + 1) % len(a.list)
	}
	return a.list[*n]
}

// source returns the function that makes the source of a target, and what ends
// the upstream.
func (o settings) source(ctx context.Context) (fetch func(name string) poller.Source, stop func() error, err error) {
	stop = func() error { return nil }
	all := newAnswers(o.size, o.change)
	if o.upstream == "memory" {
		return func(string) poller.Source {
			n := 0
			return func(context.Context) (json.RawMessage, error) { return all.next(&n), nil }
		}, stop, nil
	}
	options := poller.HTTPOptions{URLTemplate: "http://{api}.invalid/{source}", PerSecond: 1e6}
	switch o.upstream {
	case "client":
		options.Transport = &transport{answers: all, at: make(map[string]*int)}
	case "http":
		if options.URLTemplate, stop, err = o.spawn(ctx); err != nil {
			return nil, nil, err
		}
	default:
		return nil, nil, fmt.Errorf("-upstream %s: memory, client and http are allowed", o.upstream)
	}
	h, err := poller.NewHTTP(options)
	if err != nil {
		return nil, nil, err
	}
	return func(name string) poller.Source { return h.Target("bench", name).Fetch }, stop, nil
}

// transport answers requests from memory.
type transport struct {
	answers
	mu sync.Mutex
	at map[string]*int // by path
}

func (t *transport) answer(path string) json.RawMessage {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at[path] == nil {
		t.at[path] = new(int)
	}
	return t.next(t.at[path])
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body := t.answer(r.URL.Path)
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(body)),
		Body: io.NopCloser(bytes.NewReader(body)), Request: r,
	}, nil
}

// spawn starts this program again as the upstream.
func (o settings) spawn(ctx context.Context) (template string, stop func() error, err error) {
	cmd := exec.CommandContext(ctx, os.Args[0], "-serve", "-size", fmt.Sprint(o.size), "-change", fmt.Sprint(o.change))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", nil, fmt.Errorf("the upstream did not start: %w", err)
	}
	return strings.TrimSpace(line) + "/{api}/{source}", func() error {
		_ = in.Close() // it ends then
		return cmd.Wait()
	}, nil
}

// serveAnswers tells its address on the standard output and serves until the
// standard input ends.
func serveAnswers(a answers) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	t := &transport{answers: a, at: make(map[string]*int)}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(t.answer(r.URL.Path))
	})}
	over := make(chan error, 1)
	go func() { over <- server.Serve(l) }()
	fmt.Println("http://" + l.Addr().String())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	_ = server.Close()
	<-over
	return nil
}
