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

// Settings are what the benchmark tells every server in its environment.
type Settings struct {
	Addr     string        // to listen on
	Template string        // of the upstream's URL, with {source}
	Interval time.Duration // between two polls of a region
	Regions  []string
}

// FromEnvironment reads the settings.
func FromEnvironment() (Settings, error) {
	s := Settings{
		Addr:     "127.0.0.1:" + os.Getenv("SERVER_PORT"),
		Template: strings.ReplaceAll(os.Getenv("UPSTREAM_URL"), "{api}", "acme"),
		Regions:  strings.Split(os.Getenv("BENCH_REGIONS"), ","),
	}
	var err error
	s.Interval, err = time.ParseDuration(os.Getenv("POLL_INTERVAL"))
	if err != nil {
		return s, fmt.Errorf("POLL_INTERVAL: %w", err)
	}
	return s, nil
}

// Serve runs a server until it is told to stop: handler for its dashboards,
// changed for every new value of a region.
func Serve(handler http.Handler, changed func(source string, data []byte)) error {
	settings, err := FromEnvironment()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: settings.Addr, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { Run(ctx, settings, changed) })
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return err
	}
	return nil
}

// Run calls changed with every new value of a region until ctx ends.
func Run(ctx context.Context, s Settings, changed func(source string, data []byte)) {
	var work sync.WaitGroup
	for i, source := range s.Regions {
		work.Go(func() {
			phase := time.NewTimer(s.Interval * time.Duration(i) / time.Duration(len(s.Regions)))
			defer phase.Stop()
			select {
			case <-ctx.Done():
				return
			case <-phase.C:
			}
			tick := time.NewTicker(s.Interval)
			defer tick.Stop()
			var last [sha1.Size]byte
			for {
				if data, err := fetch(ctx, strings.ReplaceAll(s.Template, "{source}", source)); err == nil {
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
