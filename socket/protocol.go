package socket

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// The events of the protocol; docs/protocol.md has the payload of each.
const (
	EventGet         = "metrics:get"
	EventData        = "metrics:data"
	EventError       = "metrics:error"
	EventSubscribe   = "metrics:subscribe"
	EventUnsubscribe = "metrics:unsubscribe"
	EventGetHistory  = "metrics:getHistory"
	EventHistory     = "metrics:history"
	EventGetSeries   = "metrics:getSeries"
	EventSeries      = "metrics:series"
	EventGetUptime   = "metrics:getUptime"
	EventUptime      = "metrics:uptime"
	EventGetAlerts   = "metrics:getAlerts"
	EventAlerts      = "metrics:alerts"
	EventAlert       = "metrics:alert"
	EventMaintenance = "metrics:maintenance"
	EventUpdate      = "metrics-update"
	EventFailure     = "metrics-error"
	// EventRefused answers a subscription to an unknown region. It is not
	// EventError: the Node backend names it so, and the dashboards listen.
	EventRefused = "error"
)

// Room returns the name of the room that hears a region's changes.
func Room(api, source string) string { return "metrics:" + api + ":" + source }

// Failure is what the dashboards of a region hear when its poll fails.
type Failure struct {
	API, Source string
	// Error is a sentence.
	Error string
	// HTTPStatus is the upstream's status; 0 when there was none.
	HTTPStatus int
	// Code is a short code such as REFUSED; see docs/protocol.md.
	Code string
}

const (
	messageInvalidAPI    = "Invalid api"
	messageInvalidSource = "Invalid source"
	messageNoData        = "No data yet for this source"
	messageGetFailed     = "Failed to fetch metrics"
	messageHistoryFailed = "Failed to fetch history"
	messageSeriesFailed  = "Failed to fetch series"
	messageUptimeFailed  = "Failed to fetch uptime"
	messageAlertsFailed  = "Failed to fetch alerts"
	messageNoAlerts      = "This server watches for no alerts"
)

// object appends the members of one JSON object in the order of the calls:
// the key order is part of the contract, and data is passed through unread.
// It appends to b, so that an object within another needs no bytes of its own.
type object struct {
	b     []byte
	begun bool
}

// sized returns an object with room for the payloads' bytes and n rows of
// other members.
func sized(payloads []store.Metric, n int) *object {
	const members = 192
	size := n * members
	for _, m := range payloads {
		size += len(m.Data)
	}
	return &object{b: make([]byte, 0, size)}
}

func (o *object) key(k string) *object {
	if o.begun {
		o.b = append(o.b, ',')
	} else {
		o.b = append(o.b, '{')
	}
	o.begun = true
	o.b = append(jsjson.AppendString(o.b, k), ':')
	return o
}

// object appends a member that fill makes the members of.
func (o *object) object(k string, fill func(*object)) *object {
	o.key(k)
	in := object{b: o.b}
	fill(&in)
	o.b = in.json()
	return o
}

func (o *object) text(k, v string) *object {
	o.key(k).b = jsjson.AppendString(o.b, v)
	return o
}

func (o *object) raw(k string, v []byte) *object {
	o.key(k).b = append(o.b, v...)
	return o
}

func (o *object) number(k string, v int) *object {
	o.key(k).b = strconv.AppendInt(o.b, int64(v), 10)
	return o
}

func (o *object) time(k string, t time.Time) *object {
	o.key(k).b = jsjson.AppendTime(o.b, t)
	return o
}

func (o *object) json() json.RawMessage {
	if !o.begun {
		return append(o.b, "{}"...)
	}
	return append(o.b, '}')
}

func dataOfOne(m store.Metric) json.RawMessage {
	o := object{b: make([]byte, 0, len(m.Data)+128)}
	return o.text("api", m.API).text("source", m.Source).raw("data", m.Data).time("updatedAt", m.UpdatedAt).json()
}

func dataOfAll(api string, all []store.Metric) json.RawMessage {
	o := sized(all, len(all)+1).text("api", api)
	o.object("data", func(data *object) {
		for _, m := range all {
			data.raw(m.Source, m.Data)
		}
	})
	o.number("count", len(all))
	return o.object("updatedAtBySource", func(times *object) {
		for _, m := range all {
			times.time(m.Source, m.UpdatedAt)
		}
	}).json()
}

// pastRows are the rows of a history answer.
type pastRows struct {
	rows    []store.Metric
	thinned bool
	total   int // with those that were left out
}

// history has the members thinned and total behind the others, and only where
// rows were left out.
func history(api, source string, past pastRows) json.RawMessage {
	o := sized(past.rows, len(past.rows)+1).text("api", api)
	if source != "" {
		o.text("source", source)
	}
	o.key("items")
	o.b = append(o.b, '[')
	for i, m := range past.rows {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		item := object{b: o.b}
		o.b = item.text("api", m.API).text("source", m.Source).raw("data", m.Data).
			time("createdAt", m.CreatedAt).time("updatedAt", m.UpdatedAt).json()
	}
	o.b = append(o.b, ']')
	o.number("count", len(past.rows))
	if past.thinned {
		o.raw("thinned", []byte("true")).number("total", past.total)
	}
	return o.json()
}

func update(c store.Change, now time.Time) json.RawMessage {
	o := object{b: make([]byte, 0, len(c.Data)+128)}
	return o.text("api", c.API).text("source", c.Source).raw("data", c.Data).time("timestamp", now).json()
}

func failure(f Failure, now time.Time) json.RawMessage {
	o := new(object).text("api", f.API).text("source", f.Source).text("error", f.Error)
	if f.HTTPStatus != 0 {
		o.number("httpStatus", f.HTTPStatus)
	}
	if f.Code != "" {
		o.text("errorCode", f.Code)
	}
	return o.time("timestamp", now).json()
}
