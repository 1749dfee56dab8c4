package app

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/app/connz"
	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/app/logging"
	"github.com/devops-insights/devops-insights/app/metrics"
	"github.com/devops-insights/devops-insights/app/tracing"
	"github.com/devops-insights/devops-insights/poller/alert/mirror"
	"github.com/devops-insights/devops-insights/poller/alert/quiet"
	"github.com/devops-insights/devops-insights/poller/network"
	"github.com/devops-insights/devops-insights/socket"
	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/redisadapter"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
	"github.com/devops-insights/devops-insights/store/buffer"
	"github.com/devops-insights/devops-insights/store/discard"
	"github.com/devops-insights/devops-insights/store/live"
	"github.com/devops-insights/devops-insights/store/mongostore"
	"github.com/devops-insights/devops-insights/store/observed"
)

// Options is what New needs.
type Options struct {
	Config config.Config
	// Loader loads the settings again where they change. Nil: they stay as they are.
	Loader *config.Loader
	// Log receives structured lines, and is asked for its level and its errors.
	// Nil: made of Logger.
	Log *logging.Log
	// Logger receives structured lines where Log is nil. Nil: they are discarded.
	Logger *logrus.Logger
	// Version is shown by /api/v1/info. Empty: "1.0.0", as the Node backend says.
	Version string
	// PingInterval and PingTimeout override the heartbeat where positive.
	PingInterval, PingTimeout time.Duration
}

// App is the running program.
type App struct {
	opts      Options
	settings  *settings // in effect; opts.Config are those of the start
	logs      *logging.Log
	log       *logrus.Logger // that of logs
	started   time.Time
	listener  net.Listener
	store     wholeStore
	embedded  *boltstore.Store      // nil with a database
	buffer    *buffer.Buffer        // nil with the embedded store
	redis     redis.UniversalClient // nil without Redis
	cluster   *redisadapter.Cluster // nil without Redis
	view      *live.View
	hub       *socket.Hub
	mirror    *mirror.Mirror                   // of the alerts that any instance decides
	quiet     *quiet.Quiet                     // when nobody is to be woken
	resync    chan struct{}                    // holds one: changes may have been missed
	mongo     atomic.Pointer[mongostore.Store] // nil until connected
	pollers   atomic.Pointer[pollers]          // nil until it polls
	catalog   atomic.Pointer[store.Catalog]    // what is served
	sockets   *socketio.Server
	past      *connz.Past // the connections that have ended
	gate      *gate
	clock     *clock
	board     *health.Board // what every part says of itself
	metrics   *metrics.Metrics
	measures  measures
	upstreams *upstreams
	network   *network.Watch
	beat      *beat
	tracing   *tracing.Tracer
	ready     atomic.Bool
	following atomic.Bool // every change from now on is heard
	failed    chan error  // a part that ended on its own
	panics    atomic.Int64

	systemd atomic.Pointer[func(string) error] // tells it something; nil without it

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
	a := &App{opts: opts, logs: logOf(opts), started: time.Now(), failed: make(chan error, 4), resync: make(chan struct{}, 1)}
	a.log = a.logs.Logger
	a.onStop("log level", func(context.Context) error { a.logs.Levels.Clear(); return nil })
	if a.opts.Version == "" {
		a.opts.Version = "1.0.0"
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Stop())
		}
	}()
	c := opts.Config
	a.settings = newSettings(c, opts.Loader)
	catalog := c.Catalog()
	a.catalog.Store(&catalog)
	if a.gate, err = newGate(c, a.log); err != nil {
		return nil, err
	}
	a.board = health.New(health.Options{Logger: a.log})
	if err := a.openTracing(); err != nil {
		return nil, err
	}
	a.metrics = a.newMetrics()
	a.clock = newClock(a.log)
	a.background("clock", a.clock.watch)
	a.background("memory", reclaimMemory)

	if err := a.openStore(); err != nil {
		return nil, err
	}
	a.store = observed.Store(a.store, a.tracesStore())
	if a.mirror, err = a.newMirror(); err != nil {
		return nil, err
	}
	if a.quiet, err = a.newQuiet(); err != nil {
		return nil, err
	}
	if err := a.openRedis(ctx); err != nil {
		return nil, err
	}
	sockets, err := socketOptions(c)
	if err != nil {
		return nil, err
	}
	sockets.Engine.PingInterval, sockets.Engine.PingTimeout = opts.PingInterval, opts.PingTimeout
	sockets.Engine.KeepHeaders = []string{requestIDHeader, tracing.TraceparentHeader}
	sockets.Engine.AllowOrigin = a.gate.withAdminPages(allowOrigin(c.Clients))
	sockets.Engine.AllowRequest = func(r *http.Request) error {
		if !a.following.Load() {
			return errStarting
		}
		return a.gate.allowRequest(r)
	}
	sockets.Logger = slog.New(logging.Handler(a.log))
	if a.cluster != nil {
		sockets.NewAdapter = a.cluster.Adapter
	}
	a.past = connz.NewPast(connz.Kept)
	sockets.Engine.Observer = engineio.Observers(a.past, a.metrics.Observer())
	a.sockets = socketio.NewServer(sockets)
	audience := socket.NewAudience(a.sockets.Of("/"), time.Now, a.metrics, a.tracesSends())
	a.view = live.New(live.Options{
		Catalog: a.Catalog, Feed: a.store, History: a.store, Audience: audience, Complete: a.feedIsComplete, Logger: a.log,
	})
	a.hub = socket.NewHub(a.sockets.Of("/"), socket.Options{
		Catalog: a.Catalog, View: a.view, History: a.store, Tiers: a.store, Past: a.store, HistoryMax: c.HistoryMax,
		HistoryMaxBytes: min(c.HistoryMaxBytes, c.MaxBacklog-answerEnvelope), Memory: a.sockets.Memory(), Questions: a.tracesQuestions(), Logger: a.log,
		Alerts: a.shownAlerts, Maintenance: a.shownWindows,
	})
	a.watchHealth()
	if err := a.watchNetwork(); err != nil {
		return nil, err
	}
	if err := a.listen(ctx); err != nil {
		return nil, err
	}
	a.onStop("sockets", a.sockets.Close)
	a.administrate()
	if err := a.awaitStore(ctx); err != nil {
		return nil, err
	}
	if err := a.follow(ctx); err != nil {
		return nil, err
	}
	a.background("rows ahead of the clock", a.watchFuture)
	a.showAlerts()
	if err := a.poll(ctx, audience); err != nil {
		return nil, err
	}
	a.background("metrics", a.measure)
	a.keepSettings()
	if err := a.beatOutside(); err != nil {
		return nil, err
	}
	// Last, and so undone first: until the last dashboard has gone it hears of
	// changes.
	a.onStop("dashboards", a.disconnect)
	a.setReady(true)
	a.log.WithFields(logrus.Fields{"address": a.Addr(), "url": a.URL(), "api": c.API(), "simulated": c.Simulated(), "store": a.describeStore().Store}).
		Info("ready: dashboards can connect")
	return a, nil
}

// logOf returns the log that the options name.
func logOf(o Options) *logging.Log {
	if o.Log != nil {
		return o.Log
	}
	if o.Logger == nil {
		o.Logger = discard.Logger()
	}
	return logging.Wrap(o.Logger)
}

// follow hands every change of the store to the view, and returns when the view
// holds all values.
func (a *App) follow(ctx context.Context) error {
	watching := make(chan struct{})
	a.background("change feed", func(ctx context.Context) error {
		return a.view.Run(ctx, func() { close(watching) })
	})
	select {
	case <-watching:
		a.joinCluster(ctx)
		a.following.Store(true)
		return nil
	case err := <-a.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// background runs a part until its cleanup cancels it and waits for its end.
func (a *App) background(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := a.guard(name, func() error { return run(ctx) }); err != nil && (ctx.Err() == nil || errors.Is(err, errPanic)) {
			a.fail(fmt.Errorf("%s ended: %w", name, err))
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

// within runs what knows no context, and does not wait for it beyond the end of
// ctx: a disk that hangs must not keep the program from ending.
func within(ctx context.Context, run func() error) error {
	over := make(chan error, 1)
	go func() { over <- run() }()
	select {
	case err := <-over:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Addr returns the address that dashboards connect to, with the real port.
func (a *App) Addr() string { return a.listener.Addr().String() }

// URL returns the address of the built-in page for a browser on this machine.
func (a *App) URL() string {
	host, port, err := net.SplitHostPort(a.Addr())
	if ip := net.ParseIP(host); err != nil || ip == nil || ip.IsUnspecified() || ip.IsLoopback() && host == "127.0.0.1" {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

// Run waits until ctx ends or a part fails, and stops everything.
func (a *App) Run(ctx context.Context) error {
	var failure error
	select {
	case <-ctx.Done():
	case failure = <-a.failed:
		a.log.WithError(failure).Error("a part ended on its own: the server stops, so that it can be started anew")
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

// Stop takes everything down: not ready, the dashboards' connections closed so
// that they reconnect elsewhere, then no more polling, the listener and the
// store. It is bounded by the drain timeout, and the second call returns
// the first one's result.
func (a *App) Stop() error {
	a.stopOnce.Do(func() {
		a.setReady(false)
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
	// Heartbeats find closed connections; TCP probes find them where there are no heartbeats.
	probes := net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 20 * time.Second, Count: 3}
	l, err := (&net.ListenConfig{KeepAliveConfig: probes, Control: tuneListener}).Listen(ctx, "tcp", c.ListenAddr())
	if err != nil {
		return settingAtFault(fmt.Errorf("%s cannot be used (SERVER_HOST=%s, SERVER_PORT=%d, PORT_OFFSET=%d): %w", c.ListenAddr(), c.Host, c.Port, c.PortOffset, err))
	}
	a.listener = l
	a.serve("http", l, a.routes())
	if c.InternalAddr == "" {
		return nil
	}
	internal, err := new(net.ListenConfig).Listen(ctx, "tcp", c.InternalListenAddr())
	if err != nil {
		return settingAtFault(fmt.Errorf("INTERNAL_ADDR=%s cannot be used (PORT_OFFSET=%d): %w", c.InternalAddr, c.PortOffset, err))
	}
	backups, end := context.WithCancel(context.WithoutCancel(ctx))
	a.serve("internal http", internal, a.internalRoutes(backups))
	a.onStop("backups", func(context.Context) error { end(); return nil })
	return nil
}

func (a *App) serve(name string, l net.Listener, h http.Handler) {
	server := &http.Server{
		Handler: withRequestID(a.tracing.Identify(a.recoverRequest(a.gate.guardHost(l.Addr(), h)))), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		// Where a handler reads or writes it sets deadlines of its own: these
		// are for what it leaves to the server.
		ReadTimeout: transferTimeout, WriteTimeout: transferTimeout, MaxHeaderBytes: 64 << 10,
		ErrorLog: stdlog.New(logging.Lines(a.log.WithField("part", name), logrus.WarnLevel), "", 0),
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.fail(fmt.Errorf("%s ended: %w", name, err))
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
