// Command soak runs the server with its simulated upstream for a while, with
// dashboards that stay, come and go, and watches goroutines, heap and file
// descriptors. It ends with an error where they grow. Everything is on
// loopback and in this process: the figures hold both sides.
//
//	go run ./scripts/soak -for 10m -dashboards 500
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/socket/engineio/websocket"
	"github.com/devops-insights/devops-insights/store"
)

func main() {
	length := flag.Duration("for", time.Minute, "how long to run")
	stay := flag.Int("dashboards", 200, "dashboards that stay connected")
	churn := flag.Int("churn", 20, "dashboards that come and go all the time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := soak(ctx, *length, *stay, *churn); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
	fmt.Println("soak: nothing grew")
}

// sample is what must not grow.
type sample struct {
	goroutines, files int
	heap              uint64
}

func take() sample {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, _ := os.ReadDir("/proc/self/fd") // none on other systems: not watched there
	return sample{runtime.NumGoroutine(), len(files), m.HeapAlloc}
}

func soak(ctx context.Context, length time.Duration, stay, churn int) (err error) {
	gin.SetMode(gin.ReleaseMode)
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c := config.Default()
	c.Host, c.Port, c.DataDir, c.PollInterval = "127.0.0.1", 0, dir, 250*time.Millisecond
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	a, err := app.New(ctx, app.Options{Config: c, Logger: quiet})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Stop()) }()
	url := "ws://" + a.Addr() + "/socket.io/?EIO=4&transport=websocket"

	run, cancel := context.WithTimeout(ctx, length)
	var dashboards sync.WaitGroup
	defer dashboards.Wait()
	defer cancel()
	var received, visits atomic.Int64
	for range stay {
		dashboards.Go(func() {
			for run.Err() == nil {
				watch(run, url, &received)
			}
		})
	}
	for range churn {
		dashboards.Go(func() {
			for run.Err() == nil {
				visit, done := context.WithTimeout(run, 200*time.Millisecond)
				watch(visit, url, &received)
				done()
				visits.Add(1)
			}
		})
	}
	ticker := time.NewTicker(max(time.Second, length/20))
	defer ticker.Stop()
	var samples []sample
	for {
		select {
		case <-run.Done():
			return judge(samples)
		case <-ticker.C:
			s := take()
			samples = append(samples, s)
			fmt.Printf("%s goroutines=%d files=%d heap=%.1fMB updates=%d visits=%d\n",
				time.Now().Format(time.TimeOnly), s.goroutines, s.files, float64(s.heap)/1e6, received.Load(), visits.Load())
		}
	}
}

// watch is one dashboard: it subscribes to all regions and reads until ctx ends.
func watch(ctx context.Context, url string, received *atomic.Int64) {
	ws, _, err := websocket.Dialer{}.Dial(ctx, url)
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { _ = ws.NetConn().Close() })()
	defer func() { _ = ws.NetConn().Close() }()
	send := func(text string) { _ = ws.WriteMessage(websocket.Text, []byte(text)) }
	send("40")
	for _, region := range store.Regions() {
		send(`42["metrics:subscribe",{"source":"` + region + `"}]`)
	}
	for {
		m, err := ws.ReadMessage()
		if err != nil {
			return
		}
		if string(m.Data) == "2" {
			send("3")
			continue
		}
		received.Add(1)
	}
}

// judge compares the second quarter of the run, when everything is warm, with
// the last.
func judge(samples []sample) error {
	if len(samples) < 8 {
		return errors.New("too short to judge: give it at least eight samples")
	}
	quarter := len(samples) / 4
	before, after := most(samples[quarter:2*quarter]), most(samples[len(samples)-quarter:])
	switch {
	case after.goroutines > before.goroutines*11/10+50:
		return fmt.Errorf("goroutines grew from %d to %d", before.goroutines, after.goroutines)
	case after.files > before.files*11/10+50:
		return fmt.Errorf("file descriptors grew from %d to %d", before.files, after.files)
	case after.heap > before.heap*13/10+8<<20:
		return fmt.Errorf("the heap grew from %d to %d bytes", before.heap, after.heap)
	}
	return nil
}

func most(samples []sample) sample {
	var m sample
	for _, s := range samples {
		m = sample{max(m.goroutines, s.goroutines), max(m.files, s.files), max(m.heap, s.heap)}
	}
	return m
}
