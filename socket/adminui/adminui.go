package adminui

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

// Name is the namespace of the administrators.
const Name = "/admin"

// Options configures New.
type Options struct {
	// Server is what is shown. New must be called before it serves. Required.
	Server *socketio.Server
	// ServerID tells this server from the others of the cluster; Hostname and PID
	// are shown beside it.
	ServerID, Hostname string
	PID                int
	// Started is when the program was started.
	Started time.Time
	// Full allows commands: emit, join, leave and disconnect.
	Full bool
	// Development also shows sockets, rooms and events.
	Development bool
	// Payloads shows what events carry; else their names and sizes.
	Payloads bool
	// Credentials log in. Required.
	Credentials Credentials
	// Sessions remembers who has logged in. Required.
	Sessions Sessions
	// SessionTime is how long a login is good for. Zero: 24 h.
	SessionTime time.Duration
	// AllowPage may refuse a page of another origin; the page shows the text of
	// the error. Nil: all may try to log in.
	AllowPage func(*http.Request) error
	// Interval is the time between two messages with figures. Zero: 2 s.
	Interval time.Duration
	// MaxSockets is how many sockets are shown at most. Zero: 500.
	MaxSockets int
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Logger gets a line for each login and each command. Required.
	Logger logrus.FieldLogger
}

func (o Options) withDefaults() Options {
	o.SessionTime = cmp.Or(max(o.SessionTime, 0), 24*time.Hour)
	o.Interval = cmp.Or(max(o.Interval, 0), 2*time.Second)
	o.MaxSockets = cmp.Or(max(o.MaxSockets, 0), 500)
	if o.AllowPage == nil {
		o.AllowPage = func(*http.Request) error { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Admin serves the administrators of one server.
type Admin struct {
	Options
	namespace *socketio.Namespace
	gate      *gate
	figures   *figures
	others    *others
	stage     *stage // nil in production mode
}

// New lets administrators connect to the server's namespace Name. Run has to be
// called too.
func New(o Options) *Admin {
	o = o.withDefaults()
	a := &Admin{
		Options: o, namespace: o.Server.Of(Name), gate: newGate(o),
		figures: newFigures(o), others: newOthers(o.Now),
	}
	// A client that comes back has to show its session like any other.
	a.namespace.DisableRecovery()
	a.namespace.Use(a.authenticate)
	a.namespace.OnRemote(a.others.overhear)
	if o.Development {
		a.stage = newStage(a)
	}
	a.namespace.OnConnect(a.welcome)
	a.namespace.OnDisconnect(func(s *socketio.Socket, reason socketio.Reason) {
		a.line(s).WithField("reason", reason).Info("an administrator left")
	})
	a.registerCommands()
	return a
}

// The features of which the UI shows the buttons.
var (
	readFeatures = []string{"AGGREGATED_EVENTS"}
	fullFeatures = []string{"EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT"}
)

// features returns what this server lets administrators do and see.
func (a *Admin) features() []string {
	var all []string
	if a.Full {
		all = append(all, fullFeatures...)
	}
	all = append(all, readFeatures...)
	if a.Development {
		all = append(all, "ALL_EVENTS")
	}
	return all
}

// welcome tells an administrator what there is.
func (a *Admin) welcome(s *socketio.Socket) {
	v := visitorOf(s)
	a.line(s).WithField("by", v.by).Info("an administrator logged in")
	if v.session != "" {
		_ = s.Emit("session", v.session) // who has gone needs none
	}
	_ = s.Emit("config", struct {
		Features []string `json:"supportedFeatures"`
	}{a.features()})
	if a.stage != nil {
		a.stage.open(s)
	}
	// The others' figures come with their next messages.
	_ = s.Emit(eventStats, a.figures.current())
}

// Run sends the figures to the administrators of the whole cluster until ctx
// ends.
func (a *Admin) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	if a.stage != nil {
		work.Go(func() { a.stage.run(ctx) })
	}
	tick := time.NewTicker(a.Interval)
	defer tick.Stop()
	for {
		a.protect("figures", a.tick)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// tick sends the figures, and lets nobody stay beyond the end of a session.
func (a *Admin) tick() {
	for _, s := range a.namespace.Sockets() {
		if v := visitorOf(s); !v.ends.IsZero() && a.Now().After(v.ends) {
			a.line(s).Info("the session of an administrator is over")
			s.Session().Close()
		}
	}
	if !a.watched() {
		a.figures.pause()
		return
	}
	// Of messages that an administrator has not taken only the newest matters.
	err := a.namespace.All().Coalesce(eventStats).Emit(eventStats, a.figures.next())
	if err != nil {
		a.Logger.WithError(err).Debug("the figures do not reach the administrators of other servers")
	}
}

// watched reports whether there is an administrator, here or at another server.
func (a *Admin) watched() bool { return a.namespace.Count() > 0 || a.others.count().admins > 0 }

// protect keeps a mistake here from costing the dashboards their server.
func (a *Admin) protect(what string, run func()) {
	defer func() {
		if fault := recover(); fault != nil {
			a.Logger.WithField("part", "admin UI: "+what).Errorf("a fault in the program: %v", fault)
		}
	}()
	run()
}

// line begins a line of the log about an administrator.
func (a *Admin) line(s *socketio.Socket) logrus.FieldLogger {
	return a.Logger.WithFields(logrus.Fields{"socket_id": short(s.ID()), "address": s.Session().RemoteAddr()})
}

// short is what a log has of an id: who knows a whole one may be able to act in
// the name of its client.
func short(id string) string { return id[:min(6, len(id))] }
