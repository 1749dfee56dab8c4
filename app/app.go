package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/simulator"
	"github.com/devops-insights/devops-insights/socket"
	"github.com/devops-insights/devops-insights/socket/redisadapter"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/cache"
	"github.com/devops-insights/devops-insights/store/mongostore"
	"github.com/devops-insights/devops-insights/store/shelter"
)

// Options is what New needs.
type Options struct {
	Config Config
	// Logger receives structured lines. Nil: they are discarded.
	Logger *logrus.Logger
	// Version is shown by /api/v1/info. Empty: "1.0.0", as the Node backend says.
	Version string
	// PingInterval and PingTimeout override the heartbeat where positive.
	PingInterval, PingTimeout time.Duration
}

// App is the running program.
type App struct {
	opts      Options
	log       *logrus.Logger
	started   time.Time
	listener  net.Listener
	store     store.Store
	shelter   *shelter.Store        // nil with the embedded store
	redis     redis.UniversalClient // nil without Redis
	cluster   *redisadapter.Cluster // nil without Redis
	cache     *cache.Reader
	gap       chan struct{}                    // changes may have been missed
	mongo     atomic.Pointer[mongostore.Store] // nil until connected
	sockets   *socketio.Server
	ready     atomic.Bool
	following atomic.Bool // every change from now on is heard
	failed    chan error  // a part that ended on its own

	stopOnce sync.Once
	stopErr  error
	cleanups []cleanup
}

type cleanup struct {
	name string
	run  func(context.Context) error
}

// onStop registers what undoes a step; Stop runs the steps last in, first out.
func (a *App) onStop(name string, run func(context.Context) error) {
	a.cleanups = append(a.cleanups, cleanup{name, run})
}

// New starts everything and returns when the server accepts connections. On an
// error nothing is left running. It is one straight line on purpose: the order
// of the steps is the order of the shutdown, reversed.
func New(ctx context.Context, opts Options) (_ *App, err error) {
	a := &App{opts: opts, log: opts.Logger, started: time.Now(), failed: make(chan error, 4), gap: make(chan struct{}, 1)}
	if a.log == nil {
		a.log = logrus.New()
		a.log.SetOutput(io.Discard)
	}
	if a.opts.Version == "" {
		a.opts.Version = "1.0.0"
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Stop())
		}
	}()
	c := opts.Config

	if err := a.openStore(); err != nil {
		return nil, err
	}
	if err := a.openRedis(ctx); err != nil {
		return nil, err
	}
	sockets, err := c.Clients.sockets()
	if err != nil {
		return nil, err
	}
	sockets.Engine.PingInterval, sockets.Engine.PingTimeout = opts.PingInterval, opts.PingTimeout
	sockets.Engine.AllowOrigin = allowOrigin(c.ClientURL)
	sockets.Engine.AllowRequest = func(*http.Request) error {
		if !a.following.Load() {
			return errStarting
		}
		return nil
	}
	sockets.Logf = a.log.Debugf
	if a.cluster != nil {
		sockets.NewAdapter = a.cluster.Adapter
	}
	a.sockets = socketio.NewServer(sockets)
	a.openCache()
	hub := socket.NewHub(a.sockets.Of("/"), socket.Options{
		API: c.API(), Reader: a.cache, HistoryMax: c.HistoryMax, Logger: a.log,
		HearsAll: a.everyoneHears, OnElsewhere: a.cache.Forget,
	})
	if err := a.listen(ctx); err != nil {
		return nil, err
	}
	a.onStop("dashboards", a.disconnect)
	if err := a.awaitStore(ctx); err != nil {
		return nil, err
	}
	if err := a.follow(ctx, hub); err != nil {
		return nil, err
	}
	if err := a.poll(ctx, hub); err != nil {
		return nil, err
	}
	a.ready.Store(true)
	a.log.WithFields(logrus.Fields{"addr": a.Addr(), "api": c.API(), "simulated": c.Simulated(), "store": a.describeStore().Store}).
		Info("ready: dashboards can connect")
	return a, nil
}

// follow hands every change of the store to the dashboards of this process.
func (a *App) follow(ctx context.Context, hub *socket.Hub) error {
	watching := make(chan struct{})
	a.background("change feed", func(ctx context.Context) error {
		return a.store.Watch(ctx, func() { close(watching) }, func(_ context.Context, c store.Change) error {
			a.cache.Note(c.Metric)
			if err := hub.Publish(c, a.everyoneHears()); err != nil {
				a.log.WithError(err).WithField("source", c.Source).Error("a change could not be sent")
			}
			return nil
		})
	})
	select {
	case <-watching:
		a.joinCluster(ctx, hub)
		a.following.Store(true)
		return nil
	case err := <-a.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// poll starts the upstream's poller, and the simulator where there is none.
func (a *App) poll(ctx context.Context, hub *socket.Hub) error {
	c := a.opts.Config
	template := c.UpstreamURL
	if c.Simulated() {
		url, stop, err := simulator.New(simulator.Options{}).Start(ctx)
		if err != nil {
			return fmt.Errorf("the simulated upstream cannot start: %w", err)
		}
		a.onStop("simulator", stop)
		template = simulator.URLTemplate(url)
		a.log.WithField("url", url).Warn("no upstream is configured: a simulated one is polled; set EXTERNAL_API_NAME or UPSTREAM_URL for real data")
	}
	header, err := c.headers()
	if err != nil {
		return err
	}
	upstream, err := poller.NewHTTP(poller.HTTPOptions{
		URLTemplate: template, Header: header,
		// After a failure of some polls two more are left out, however long
		// the interval is: the dashboards should not wait longer than that.
		CoolDown: 2 * c.PollInterval,
	})
	if err != nil {
		return err
	}
	a.onStop("upstream connections", func(context.Context) error { upstream.Close(); return nil })
	intervals, err := c.intervals()
	if err != nil {
		return err
	}
	var targets []poller.Target
	for _, region := range socket.Regions() {
		targets = append(targets, poller.Target{
			API: c.API(), Source: region, Fetch: upstream.Source(c.API(), region), Interval: intervals[region],
		})
	}
	p, err := poller.New(poller.Options{
		Targets: targets, Saver: a.store, Interval: c.PollInterval, Timeout: c.PollTimeout, Logger: a.log,
		OnFailure: func(_ context.Context, f poller.Failure) {
			err := hub.PublishFailure(socket.Failure{
				API: f.API, Source: f.Source, Error: f.Err.Error(), HTTPStatus: f.HTTPStatus, Code: f.Code,
			})
			if err != nil {
				a.log.WithError(err).Error("a failure could not be sent")
			}
		},
	})
	if err != nil {
		return err
	}
	a.background("poller", a.lead(p))
	return nil
}

// background runs a part until its cleanup cancels it and waits for its end.
func (a *App) background(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := run(ctx); err != nil && ctx.Err() == nil {
			a.failed <- fmt.Errorf("%s ended: %w", name, err)
		}
	}()
	a.onStop(name, func(stop context.Context) error {
		cancel()
		select {
		case <-over:
			return nil
		case <-stop.Done():
			return stop.Err()
		}
	})
}

// Addr returns the address that dashboards connect to, with the real port.
func (a *App) Addr() string { return a.listener.Addr().String() }

// Run waits until ctx ends or a part fails, and stops everything.
func (a *App) Run(ctx context.Context) error {
	var failure error
	select {
	case <-ctx.Done():
	case failure = <-a.failed:
		a.log.WithError(failure).Error("a part ended on its own")
	}
	return errors.Join(failure, a.Stop())
}

// disconnect sends the dashboards to other instances: after a moment in which
// the balancer sees that this one is not ready, and not all at once.
func (a *App) disconnect(ctx context.Context) error {
	if delay := a.opts.Config.DrainDelay; delay > 0 && a.following.Load() {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
		}
	}
	a.sockets.Drain(ctx, a.opts.Config.DrainSpread)
	return a.sockets.Close(ctx)
}

// Stop takes everything down: not ready, no more polling, the dashboards'
// connections closed so that they reconnect elsewhere, then the listener and
// the store. It is bounded by the drain timeout, and the second call returns
// the first one's result.
func (a *App) Stop() error {
	a.stopOnce.Do(func() {
		a.ready.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), max(a.opts.Config.DrainTimeout, time.Second))
		defer cancel()
		for i := len(a.cleanups) - 1; i >= 0; i-- {
			step := a.cleanups[i]
			if err := step.run(ctx); err != nil {
				a.log.WithError(err).WithField("step", step.name).Error("a step of the shutdown failed")
				a.stopErr = errors.Join(a.stopErr, fmt.Errorf("%s: %w", step.name, err))
			}
		}
		a.log.Info("stopped")
	})
	return a.stopErr
}

// listen serves HTTP on the dashboards' address, and on the internal one.
func (a *App) listen(ctx context.Context) error {
	c := a.opts.Config
	// Heartbeats and timeouts find who is gone: TCP need not probe as well.
	l, err := (&net.ListenConfig{KeepAlive: -1}).Listen(ctx, "tcp", net.JoinHostPort(c.Host, fmt.Sprint(c.ListenPort())))
	if err != nil {
		return fmt.Errorf("port %d cannot be used (SERVER_PORT=%d, PORT_OFFSET=%d): %w", c.ListenPort(), c.Port, c.PortOffset, err)
	}
	a.listener = l
	a.serve("http", l, a.routes())
	if c.InternalAddr == "" {
		return nil
	}
	internal, err := new(net.ListenConfig).Listen(ctx, "tcp", c.internalAddr())
	if err != nil {
		return fmt.Errorf("INTERNAL_ADDR=%s cannot be used (PORT_OFFSET=%d): %w", c.InternalAddr, c.PortOffset, err)
	}
	a.serve("internal http", internal, a.internalRoutes())
	return nil
}

func (a *App) serve(name string, l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("%s ended: %w", name, err)
		}
	}()
	a.onStop(name, func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		if err != nil {
			err = errors.Join(err, server.Close())
		}
		<-over
		return err
	})
}
