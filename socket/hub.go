package socket

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/singleflight"

	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/live"
	"github.com/devops-insights/devops-insights/store/past"
	"github.com/devops-insights/devops-insights/store/rollup"
)

// History goes through rows of the past; see store.Reader.
type History interface {
	Scan(ctx context.Context, q store.Query, each func(store.Metric) error) error
}

// Options configures a Hub.
type Options struct {
	// Catalog says which APIs and regions dashboards may ask for. It is asked with
	// every question. Required.
	Catalog func() store.Catalog
	// View answers metrics:get, and knows what each dashboard has been told.
	// Required.
	View *live.View
	// History answers metrics:getHistory. Required.
	History History
	// Tiers tell of what is older than the rows of History. Nil: nothing does.
	Tiers rollup.Reader
	// Past answers metrics:getSeries and metrics:getUptime. Nil: they fail.
	Past past.Reader
	// Alerts are those of an API that dashboards see, the most urgent ones first, and
	// Maintenance is what is planned or under way: what metrics:getAlerts is answered
	// with. Where Alerts is nil, it is refused; where Maintenance is, there is none.
	// Both must answer at once.
	Alerts, Maintenance func(api string) []Notice
	// Now is the clock of those answers. Nil: time.Now.
	Now func() time.Time
	// HistoryLimit is the number of rows where a dashboard names none. Zero: 100.
	HistoryLimit int
	// HistoryMax bounds the number of rows of one question. Zero: 50,000.
	HistoryMax int
	// HistoryMaxBytes bounds an answer: past it rows are left out, evenly over
	// the range that was asked for. Zero: 16 MiB.
	HistoryMaxBytes int
	// Memory bounds what answers take that wait for dashboards. Nil: nothing does.
	Memory Memory
	// Questions is told of the questions. Nil: nobody is.
	Questions QuestionObserver
	// Timeout bounds one question. Zero: 10 s.
	Timeout time.Duration
	// Logger hears of failed questions: of each reason once a minute. Required.
	Logger logrus.FieldLogger
}

func (o Options) withDefaults() Options {
	o.HistoryLimit = cmp.Or(o.HistoryLimit, 100)
	o.HistoryMax = cmp.Or(o.HistoryMax, 50_000)
	o.HistoryMaxBytes = cmp.Or(o.HistoryMaxBytes, 16<<20)
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Memory == nil {
		o.Memory = unbounded{}
	}
	return o
}

// Hub serves the dashboards of one namespace: one handler for each event.
type Hub struct {
	Options
	namespace *socketio.Namespace
	asking    singleflight.Group
	builders  chan struct{} // one for each answer about the past that is being made
	costs     *costs
	alerting  alerting
	failures  failures
	refusals  atomic.Uint64
}

// NewHub answers the dashboards that connect to the namespace.
func NewHub(namespace *socketio.Namespace, o Options) *Hub {
	h := &Hub{Options: o.withDefaults(), namespace: namespace, builders: make(chan struct{}, historyBuilders)}
	h.costs = newCosts(h.HistoryMaxBytes)
	namespace.OnRemote(h.handleRemote)
	namespace.OnDisconnect(func(s *socketio.Socket, _ socketio.Reason) {
		h.View.Forget(dashboard{h, s})
		h.costs.forget(s)
	})
	h.log()
	h.ask(EventGet, h.get)
	h.on(EventSubscribe, h.subscribe)
	h.on(EventUnsubscribe, h.unsubscribe)
	h.ask(EventGetHistory, h.getHistory)
	h.ask(EventGetSeries, h.getSeries)
	h.ask(EventGetUptime, h.getUptime)
	h.ask(EventGetAlerts, h.getAlerts)
	return h
}

// log notes the dashboards' coming and going, while the logger shows it.
func (h *Hub) log() {
	h.namespace.OnConnect(func(s *socketio.Socket) {
		if debugs(h.Logger) {
			h.line(s).WithField("request_id", s.Request().Header.Get(requestIDHeader)).Debug("a dashboard connected")
		}
	})
	h.namespace.OnDisconnect(func(s *socketio.Socket, reason socketio.Reason) {
		if debugs(h.Logger) {
			h.line(s).WithField("reason", reason).Debug("a dashboard disconnected")
		}
	})
}

// debugs reports whether the logger shows what is logged for each dashboard.
func debugs(l logrus.FieldLogger) bool {
	leveled, ok := l.(interface{ IsLevelEnabled(logrus.Level) bool })
	return !ok || leveled.IsLevelEnabled(logrus.DebugLevel)
}

// shortID tells sockets apart in a log, and no more: whoever reads a whole id may
// be able to take the session over.
func shortID(s *socketio.Socket) string { return s.ID()[:min(6, len(s.ID()))] }

// on serves one event of the dashboards.
func (h *Hub) on(event string, handle func(*socketio.Socket, request) error) {
	h.namespace.On(event, func(s *socketio.Socket, args socketio.Args, _ socketio.Ack) {
		began, r := time.Now(), request(args.Members(0))
		if err := handle(s, r); err != nil {
			h.failed(event, s, h.line(s).WithField("event", event), err)
		}
		if debugs(h.Logger) {
			h.served(event, s, r, time.Since(began))
		}
	})
}

// served logs an event, for who looks at one dashboard or one region.
func (h *Hub) served(event string, s *socketio.Socket, r request, took time.Duration) {
	line := h.line(s).WithFields(logrus.Fields{"event": event, "duration_ms": took.Milliseconds()})
	if of, err := h.subject(r, ""); err == nil {
		line = line.WithField("api", of.api.Name)
		if of.source != "" {
			line = line.WithField("region", of.source)
		}
	}
	line.Debug("an event of a dashboard was handled")
}

// ask serves one event that takes a look into the store, which has its time. A
// refusal goes to the dashboard.
func (h *Hub) ask(event string, handle func(context.Context, *socketio.Socket, request) error) {
	h.on(event, func(s *socketio.Socket, r request) error {
		ctx, cancel := context.WithTimeout(s.Context(), h.Timeout)
		defer cancel()
		ctx, answered := h.observe(ctx, event, s, r)
		err := handle(ctx, s, r)
		answered(err)
		if no := (*refusal)(nil); errors.As(err, &no) {
			h.refuse(ctx, event, s, no)
			return nil
		}
		return err
	})
}

func (h *Hub) get(ctx context.Context, s *socketio.Socket, r request) error {
	of, err := h.subject(r, messageGetFailed)
	if err != nil {
		return err
	}
	err = h.View.Answer(ctx, dashboard{h, s}, of.api.Name, of.source, func(values *live.Snapshot) error {
		answer, err := values.Encoded(func(values []store.Metric) (any, error) {
			if of.source != "" {
				return h.namespace.Prepare(EventData, dataOfOne(values[0]))
			}
			return h.namespace.Prepare(EventData, dataOfAll(of.api.Name, values))
		})
		if err != nil {
			return err
		}
		return s.Send(answer.(*socketio.Prepared))
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &refusal{message: messageNoData}
	case err != nil && !errors.Is(err, socketio.ErrDisconnected):
		return &refusal{message: messageGetFailed, cause: err}
	}
	return err
}

func (h *Hub) subscribe(s *socketio.Socket, r request) error {
	of, err := h.subjectWithRegion(r)
	if no := (*refusal)(nil); errors.As(err, &no) {
		return s.Emit(EventRefused, no.payload().json())
	}
	return h.View.Join(dashboard{h, s}, of.api.Name, of.source)
}

// unsubscribe also ends the hearing of a region that the catalog does not have any
// more.
func (h *Hub) unsubscribe(s *socketio.Socket, r request) error {
	api, err := r.name("api")
	source, wrong := r.name("source")
	if err != nil || wrong != nil {
		return nil
	}
	api, source = strings.ToLower(api), strings.ToLower(source)
	if known, ok := h.Catalog().Find(api); ok {
		api = known.Name
	}
	if d := (dashboard{h, s}); d.Hears(api, source) {
		h.View.Leave(d, api, source, func() { s.Leave(Room(api, source)) })
	}
	return nil
}

// dashboard is a socket as the view needs it.
type dashboard struct {
	*Hub
	socket *socketio.Socket
}

// Hears implements live.Dashboard.
func (d dashboard) Hears(api, source string) bool { return d.socket.In(Room(api, source)) }

// Hear implements live.Dashboard.
func (d dashboard) Hear(api, source string) error { return d.socket.Join(Room(api, source)) }

// Tell implements live.Dashboard.
func (d dashboard) Tell(update json.RawMessage) error { return d.socket.Emit(EventUpdate, update) }

// Gone implements live.Dashboard.
func (d dashboard) Gone() bool { return d.socket.Context().Err() != nil }

var _ live.Dashboard = dashboard{}
