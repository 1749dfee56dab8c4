package socket

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store"
)

// Reader answers the dashboards' questions.
type Reader interface {
	Latest(ctx context.Context, api, source string) (store.Metric, error)
	AllLatest(ctx context.Context, api string) ([]store.Metric, error)
	History(ctx context.Context, q store.Query) ([]store.Metric, error)
}

// Options configures a Hub.
type Options struct {
	// API is the upstream's name in lower case. Required.
	API string
	// Reader answers metrics:get and metrics:getHistory. Required.
	Reader Reader
	// HistoryLimit is the number of rows where a dashboard names none. Zero: 100.
	HistoryLimit int
	// HistoryMax bounds the number of rows of one answer. Zero: 1000.
	HistoryMax int
	// Timeout bounds one question to the Reader. Zero: 10 s.
	Timeout time.Duration
	// HearsAll reports whether Publish is called in this process for every
	// change, whichever process made it. What other servers of the cluster send
	// to the dashboards is left out then. Nil: it never is.
	HearsAll func() bool
	// OnElsewhere is told of a change that another server has sent to the
	// dashboards. Nil: nothing.
	OnElsewhere func(api string)
	// Logger receives one line for each failed question. Required.
	Logger logrus.FieldLogger
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Hub serves the dashboards of one namespace.
type Hub struct {
	Options
	namespace *socketio.Namespace
	told      told
	gap       gap
	latest    latest
}

// NewHub answers the dashboards that connect to the namespace.
func NewHub(namespace *socketio.Namespace, o Options) *Hub {
	if o.HistoryLimit <= 0 {
		o.HistoryLimit = 100
	}
	if o.HistoryMax <= 0 {
		o.HistoryMax = 1000
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Hub{Options: o, namespace: namespace}
	h.gap.now = o.Now
	namespace.OnRemote(h.elsewhere)
	if verbose(o.Logger) {
		namespace.OnConnect(h.log)
	}
	h.ask(EventGet, h.get)
	h.answer(EventSubscribe, h.subscribe)
	h.answer(EventUnsubscribe, h.unsubscribe)
	h.ask(EventGetHistory, h.getHistory)
	return h
}

// Publish sends a change to the dashboards of its region: with local to those
// that are connected to this process, where every process hears of the change
// by itself, else to all.
func (h *Hub) Publish(c store.Change, local bool) error {
	if !h.told.advance(Room(c.API, c.Source), c.Hash, c.UpdatedAt) {
		return nil
	}
	room := Room(c.API, c.Source)
	receivers := h.namespace.To(room).Newest(room)
	if local {
		receivers = receivers.Local()
	}
	news := update(c, h.Now())
	return h.gap.send(room, news, func() error { return receivers.Emit(EventUpdate, news) })
}

// PublishFailure tells the dashboards of a region that its poll failed.
func (h *Hub) PublishFailure(f Failure) error {
	room := Room(f.API, f.Source)
	return h.namespace.To(room).Newest(room+":error").Emit(EventFailure, failure(f, h.Now()))
}

// verbose reports whether the logger shows what is logged for each dashboard.
func verbose(l logrus.FieldLogger) bool {
	leveled, ok := l.(interface{ IsLevelEnabled(logrus.Level) bool })
	return !ok || leveled.IsLevelEnabled(logrus.DebugLevel)
}

// log notes a dashboard's coming and going.
func (h *Hub) log(s *socketio.Socket) {
	line := h.Logger.WithFields(logrus.Fields{"socket": s.ID(), "remote": s.Session().RemoteAddr()})
	line.Debug("a dashboard connected")
	s.OnDisconnect(func(reason socketio.Reason) {
		line.WithField("reason", reason).Debug("a dashboard disconnected")
	})
}

// answer serves one event of the dashboards.
func (h *Hub) answer(event string, answer func(*socketio.Socket, request) error) {
	h.namespace.On(event, func(s *socketio.Socket, args socketio.Args, _ socketio.Acknowledge) {
		err := answer(s, request(args.Members(0)))
		if err != nil && !errors.Is(err, socketio.ErrDisconnected) && s.Context().Err() == nil {
			h.Logger.WithError(err).WithFields(logrus.Fields{"socket": s.ID(), "event": event}).
				Warn("an event could not be answered")
		}
	})
}

// ask serves one event with a question to the Reader, which has its time.
func (h *Hub) ask(event string, ask func(context.Context, *socketio.Socket, request) error) {
	h.answer(event, func(s *socketio.Socket, r request) error {
		ctx, cancel := context.WithTimeout(s.Context(), h.Timeout)
		defer cancel()
		return ask(ctx, s, r)
	})
}

// known returns the region in lower case and whether it is one of the six.
func known(source string) (string, bool) {
	source = strings.ToLower(source)
	return source, slices.Contains(Regions(), source)
}

func (h *Hub) get(ctx context.Context, s *socketio.Socket, r request) error {
	source, err := r.source()
	if err != nil {
		return s.Emit(EventError, refusal(messageGetFailed))
	}
	h.gap.asks(s)
	if source == "" {
		all, err := h.Reader.AllLatest(ctx, h.API)
		if err != nil {
			return errors.Join(err, s.Emit(EventError, refusal(messageGetFailed)))
		}
		answer, err := h.latest.of(all, func(all []store.Metric) (*socketio.Prepared, error) {
			return h.namespace.Prepare(EventData, dataOfAll(h.API, all))
		})
		if err != nil {
			return err
		}
		return s.Send(answer)
	}
	region, ok := known(source)
	if !ok {
		return s.Emit(EventError, invalidSource())
	}
	m, err := h.Reader.Latest(ctx, h.API, region)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return s.Emit(EventError, refusal(messageNoData))
	case err != nil:
		return errors.Join(err, s.Emit(EventError, refusal(messageGetFailed)))
	}
	return s.Emit(EventData, dataOfOne(m))
}

func (h *Hub) subscribe(s *socketio.Socket, r request) error {
	source, err := r.source()
	region, ok := known(source)
	if err != nil || !ok {
		return s.Emit(EventRefused, invalidSource())
	}
	return h.gap.subscribe(s, Room(h.API, region))
}

func (h *Hub) unsubscribe(s *socketio.Socket, r request) error {
	source, err := r.source()
	if region, ok := known(source); err == nil && ok {
		s.Leave(Room(h.API, region))
		h.gap.asks(s) // it has heard everything up to here
	}
	return nil
}

func (h *Hub) getHistory(ctx context.Context, s *socketio.Socket, r request) error {
	source, err := r.source()
	if err != nil {
		return s.Emit(EventError, refusal(messageHistoryFailed))
	}
	q := store.Query{API: h.API, Limit: r.limit(h.HistoryLimit, h.HistoryMax)}
	if source != "" {
		var ok bool
		if q.Source, ok = known(source); !ok {
			return s.Emit(EventError, invalidSource())
		}
	}
	var fromErr, toErr error
	q.From, fromErr = r.time("from")
	q.To, toErr = r.time("to")
	if fromErr != nil || toErr != nil {
		return s.Emit(EventError, refusal(messageHistoryFailed))
	}
	items, err := h.Reader.History(ctx, q)
	if err != nil {
		return errors.Join(err, s.Emit(EventError, refusal(messageHistoryFailed)))
	}
	return s.Emit(EventHistory, history(h.API, source, items))
}
