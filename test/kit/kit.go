// Package kit lets a behaviour suite start the real server in one line, say
// what the upstream of a region answers, connect dashboards, and expect
// events. Everything runs on loopback, on free ports, in a temporary
// directory, and ends with the test.
package kit

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/app/config"
)

// TB is what the kit needs of a test: *testing.T and GinkgoT() both have it.
type TB interface {
	Helper()
	Cleanup(func())
	TempDir() string
	Fatalf(format string, args ...any)
}

// Server is a running server with its upstream.
type Server struct {
	*app.App
	// URL is the address for dashboards, http://127.0.0.1:<port>.
	URL string
	// Upstream answers the server's polls.
	Upstream *Upstream
	// Options are what the server was started with.
	Options app.Options

	tb TB
}

// Start starts a server that polls its own upstream every 100 ms; change may
// alter the options first. The api is called "acme".
func Start(tb TB, change ...func(*app.Options)) *Server {
	tb.Helper()
	gin.SetMode(gin.ReleaseMode)
	up := NewUpstream(tb)
	c := config.Default()
	c.Host, c.Port, c.DataDir = "127.0.0.1", 0, tb.TempDir()
	c.APIName, c.UpstreamURL = "acme", up.Template()
	c.PollInterval = 100 * time.Millisecond
	options := app.Options{Config: c}
	for _, f := range change {
		f(&options)
	}
	s := &Server{Upstream: up, Options: options, tb: tb}
	s.start()
	tb.Cleanup(func() {
		if err := s.Stop(); err != nil {
			tb.Fatalf("the server did not stop in order: %v", err)
		}
	})
	return s
}

func (s *Server) start() {
	s.tb.Helper()
	a, err := app.New(context.Background(), s.Options)
	if err != nil {
		s.tb.Fatalf("the server does not start: %v", err)
	}
	s.App, s.URL = a, "http://"+a.Addr()
}

// Restart stops the server and starts it again on the same port and data.
func (s *Server) Restart() {
	s.tb.Helper()
	port := s.Addr()[strings.LastIndex(s.Addr(), ":")+1:]
	if err := s.Stop(); err != nil {
		s.tb.Fatalf("the server did not stop in order: %v", err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		s.tb.Fatalf("the port %q is no number", port)
	}
	s.Options.Config.Port = n
	s.start()
}
