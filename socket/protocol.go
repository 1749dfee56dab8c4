package socket

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// The events of the protocol; see CONTRACT.md for each one's payload.
const (
	EventGet         = "metrics:get"
	EventData        = "metrics:data"
	EventError       = "metrics:error"
	EventSubscribe   = "metrics:subscribe"
	EventUnsubscribe = "metrics:unsubscribe"
	EventGetHistory  = "metrics:getHistory"
	EventHistory     = "metrics:history"
	EventUpdate      = "metrics-update"
	EventFailure     = "metrics-error"
	// EventRefused answers a subscription to an unknown region. It is not
	// EventError: the Node backend names it so, and the dashboards listen.
	EventRefused = "error"
)

// Regions returns the six regions in the order in which the wire names them.
func Regions() []string {
	return []string{"us-east", "eu-west", "eu-central", "us-west", "sa-east", "ap-southeast"}
}

// Room returns the name of the room that hears a region's changes.
func Room(api, source string) string { return "metrics:" + api + ":" + source }

// Failure is what the dashboards of a region hear when its poll fails.
type Failure struct {
	API, Source string
	// Error is a sentence.
	Error string
	// HTTPStatus is the upstream's status; 0 when there was none.
	HTTPStatus int
	// Code is a short code such as ECONNREFUSED; empty when there is none.
	Code string
}

const (
	messageInvalidSource = "Invalid source"
	messageNoData        = "No data yet for this source"
	messageGetFailed     = "Failed to fetch metrics"
	messageHistoryFailed = "Failed to fetch history"
)

// TimeFormat is ISO 8601 in UTC with milliseconds, as Date.toJSON writes it.
const TimeFormat = "2006-01-02T15:04:05.000Z"

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
	o.b = append(appendString(o.b, k), ':')
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
	o.key(k).b = appendString(o.b, v)
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
	o.key(k)
	o.b = append(t.UTC().AppendFormat(append(o.b, '"'), TimeFormat), '"')
	return o
}

func (o *object) json() json.RawMessage {
	if !o.begun {
		return append(o.b, "{}"...)
	}
	return append(o.b, '}')
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			quoted, _ := json.Marshal(s) // a string always encodes
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

func refusal(message string) json.RawMessage {
	return new(object).text("message", message).json()
}

func invalidSource() json.RawMessage {
	allowed, _ := json.Marshal(Regions())
	return new(object).text("message", messageInvalidSource).raw("allowed", allowed).json()
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

func history(api, source string, items []store.Metric) json.RawMessage {
	o := sized(items, len(items)+1).text("api", api)
	if source != "" {
		o.text("source", source)
	}
	o.key("items")
	o.b = append(o.b, '[')
	for i, m := range items {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		item := object{b: o.b}
		o.b = item.text("api", m.API).text("source", m.Source).raw("data", m.Data).
			time("createdAt", m.CreatedAt).time("updatedAt", m.UpdatedAt).json()
	}
	o.b = append(o.b, ']')
	return o.number("count", len(items)).json()
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
