package socket

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// Notice is an alert, or a window of planned maintenance, as dashboards hear of
// it.
type Notice struct {
	// API is the one that it is about.
	API string
	// ID tells it apart from the others of its API: where a dashboard is too slow, a
	// newer notice takes the place of an older one with the same ID.
	ID string
	// Sources are the regions that it is about; empty: the whole API.
	Sources []string
	// Data is its JSON text, an object. It is passed on unread; bytes that are not
	// UTF-8 become U+FFFD.
	Data json.RawMessage
}

// about reports whether a dashboard that asks for a region, or with an empty source
// for all of them, is meant.
func (n Notice) about(source string) bool {
	return source == "" || len(n.Sources) == 0 || slices.Contains(n.Sources, source)
}

// alertRoom is the room of those who hear of alerts and maintenance: of a region,
// or with an empty source of all of them.
func alertRoom(api, source string) string { return "alerts:" + api + ":" + source }

// The bytes of the alerts and of the maintenance in one answer; for how long an
// answer serves others who ask the same; and how many are kept for that.
const (
	alertsMost   = 1 << 20
	windowsMost  = 256 << 10
	alertsAge    = time.Second
	alertAnswers = 16
)

// alertBounds returns how many bytes the alerts and the maintenance of one answer
// may take: no more than an answer about the past.
func (h *Hub) alertBounds() (alerts, windows int) {
	return min(alertsMost, h.HistoryMaxBytes/2), min(windowsMost, h.HistoryMaxBytes/4)
}

// alerting orders what dashboards hear of alerts: an answer never comes after a
// notice that is newer than what it says.
type alerting struct {
	mu      sync.Mutex
	answers map[alertKey]alertAnswer
}

type alertKey struct{ api, source string }

type alertAnswer struct {
	pastAnswer
	made time.Time
}

// getAlerts answers with the alerts and the planned maintenance of an API or a
// region, and lets the dashboard hear of their changes from then on, or with
// {subscribe:false} no more.
func (h *Hub) getAlerts(ctx context.Context, s *socketio.Socket, r request) error {
	of, err := h.subject(r, "")
	if err != nil {
		return err
	}
	hears, err := r.flag("subscribe", true)
	if err != nil {
		return refused(err, messageAlertsFailed)
	}
	if h.Alerts == nil {
		return &refusal{message: messageNoAlerts}
	}
	alerts, windows := h.alertBounds()
	if err = s.Session().AwaitRoom(ctx, alerts+windows); err == nil {
		err = h.costs.wait(ctx, s)
	}
	if err == nil {
		err = h.answerAlerts(s, alertKey{of.api.Name, of.source}, hears)
	}
	return refused(err, messageAlertsFailed)
}

// answerAlerts lets no notice pass between the dashboard's entering of the room and
// its answer.
func (h *Hub) answerAlerts(s *socketio.Socket, key alertKey, hears bool) error {
	h.alerting.mu.Lock()
	defer h.alerting.mu.Unlock()
	answer, err := h.alertAnswer(key)
	if err != nil {
		return err
	}
	room := alertRoom(key.api, key.source)
	if !hears {
		s.Leave(room)
	} else if err := s.Join(room); err != nil {
		return err
	}
	h.costs.count(s, int(answer.size))
	return s.Send(answer.event)
}

// alertAnswer makes an answer, or takes one that was just made: many dashboards ask
// at once when they come back.
func (h *Hub) alertAnswer(key alertKey) (alertAnswer, error) {
	now := h.Now()
	if a, ok := h.alerting.answers[key]; ok && now.Sub(a.made).Abs() < alertsAge {
		return a, nil
	}
	made, err := h.prepare(EventAlerts, h.alertsOf(key, now))
	if err != nil {
		return alertAnswer{}, err
	}
	if h.alerting.answers == nil || len(h.alerting.answers) >= alertAnswers {
		h.alerting.answers = make(map[alertKey]alertAnswer)
	}
	a := alertAnswer{made, now}
	h.alerting.answers[key] = a
	return a, nil
}

// alertsOf returns the payload of an answer.
func (h *Hub) alertsOf(key alertKey, now time.Time) json.RawMessage {
	o := new(object).text("api", key.api)
	if key.source != "" {
		o.text("source", key.source)
	}
	most, mostWindows := h.alertBounds()
	omitted := o.notices("alerts", h.Alerts(key.api), key.source, most)
	var windows []Notice
	if h.Maintenance != nil {
		windows = h.Maintenance(key.api)
	}
	omitted += o.notices("maintenance", windows, key.source, mostWindows)
	if omitted > 0 {
		o.number("omitted", omitted)
	}
	return o.time("timestamp", now).json()
}

// notices appends those of a region that fit into a number of bytes, and returns
// how many do not.
func (o *object) notices(k string, all []Notice, source string, most int) (omitted int) {
	o.key(k)
	o.b = append(o.b, '[')
	begin := len(o.b)
	for _, n := range all {
		if !n.about(source) {
			continue
		}
		data := jsjson.Valid(n.Data)
		if omitted > 0 || len(o.b)-begin+len(data) > most {
			omitted++
			continue
		}
		if len(o.b) > begin {
			o.b = append(o.b, ',')
		}
		o.b = append(o.b, data...)
	}
	o.b = append(o.b, ']')
	return omitted
}

// SendAlert tells the dashboards of this process that have asked for alerts that
// one has changed. Options.Alerts must have the change already.
func (h *Hub) SendAlert(n Notice) error { return h.sendNotice(EventAlert, "alert", n) }

// SendMaintenance does the same for a window of planned maintenance.
func (h *Hub) SendMaintenance(n Notice) error {
	return h.sendNotice(EventMaintenance, "maintenance", n)
}

func (h *Hub) sendNotice(event, member string, n Notice) error {
	rooms := []string{alertRoom(n.API, "")}
	sources := n.Sources
	if len(sources) == 0 {
		api, _ := h.Catalog().Find(n.API)
		sources = api.Sources()
	}
	for _, source := range sources {
		rooms = append(rooms, alertRoom(n.API, source))
	}
	payload := new(object).text("api", n.API).raw(member, jsjson.Valid(n.Data)).json()
	h.alerting.mu.Lock()
	defer h.alerting.mu.Unlock()
	h.alerting.answers = nil
	// Every process sends to its own dashboards.
	return h.namespace.To(rooms...).Local().Coalesce(event+":"+n.API+":"+n.ID).Emit(event, payload)
}
