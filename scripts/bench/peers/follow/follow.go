// Package follow polls a status API for the Go servers that the benchmark
// compares ours with: it notices a change by SHA-1 and says so, as ours does,
// but keeps nothing.
package follow

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

// settings are what the benchmark tells every server in its environment.
type settings struct {
	addr     string        // to listen on
	template string        // of the upstream's URL, with {source}
	interval time.Duration // between two polls of a region
	regions  []string
}

// fromEnvironment reads the settings.
func fromEnvironment() (settings, error) {
	s := settings{
		addr:     "127.0.0.1:" + os.Getenv("SERVER_PORT"),
		template: strings.ReplaceAll(os.Getenv("UPSTREAM_URL"), "{api}", "acme"),
		regions:  strings.Split(os.Getenv("BENCH_REGIONS"), ","),
	}
	var err error
	s.interval, err = time.ParseDuration(os.Getenv("POLL_INTERVAL"))
	if err != nil {
		return s, fmt.Errorf("POLL_INTERVAL: %w", err)
	}
	return s, nil
}

// Serve runs a server until it is told to stop: handler for its dashboards,
// changed for every new value of a region.
func Serve(handler http.Handler, changed func(source string, data []byte)) error {
	s, err := fromEnvironment()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: s.addr, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { run(ctx, s, changed) })
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return err
	}
	return nil
}

// run calls changed with every new value of a region until ctx ends.
func run(ctx context.Context, s settings, changed func(source string, data []byte)) {
	var work sync.WaitGroup
	for i, source := range s.regions {
		work.Go(func() {
			phase := time.NewTimer(s.interval * time.Duration(i) / time.Duration(len(s.regions)))
			defer phase.Stop()
			select {
			case <-ctx.Done():
				return
			case <-phase.C:
			}
			tick := time.NewTicker(s.interval)
			defer tick.Stop()
			var last [sha1.Size]byte
			for {
				if data, err := fetch(ctx, strings.ReplaceAll(s.template, "{source}", source)); err == nil {
					if sum := sha1.Sum(data); sum != last {
						last = sum
						changed(source, data)
					}
				}
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
			}
		})
	}
	work.Wait()
}

func fetch(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return io.ReadAll(resp.Body)
}
