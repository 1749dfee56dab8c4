package alert

import (
	"maps"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/store/jsjson"
)

// AppendJSON appends the alert as a JSON object for dashboards and clients of the
// HTTP API: the members that encoding/json writes, with dates and texts as all
// other answers have them.
func (a Alert) AppendJSON(b []byte) []byte {
	o := members{b: append(b, '{')}
	o.text("id", a.ID).text("incident", a.Incident).text("rule", a.Rule).text("api", a.API).some("region", a.Region)
	o.text("state", string(a.State)).text("severity", string(a.Severity))
	o.key("labels").b = appendTexts(o.b, a.Labels)
	o.text("summary", a.Summary).some("description", a.Description).some("runbookUrl", a.RunbookURL)
	o.time("pendingAt", &a.PendingAt).time("startedAt", a.StartedAt).time("endedAt", a.EndedAt)
	if a.Ack != nil {
		in := members{b: append(o.key("acknowledged").b, '{')}
		o.b = in.text("by", a.Ack.By).some("comment", a.Ack.Comment).time("at", &a.Ack.At).end()
	}
	if a.Suppressed != nil {
		in := members{b: append(o.key("suppressed").b, '{')}
		o.b = in.text("by", a.Suppressed.By).some("id", a.Suppressed.ID).time("until", a.Suppressed.Until).end()
	}
	return o.end()
}

// AppendJSON appends the window as Alert.AppendJSON does.
func (w Window) AppendJSON(b []byte) []byte {
	o := members{b: append(b, '{')}
	o.text("id", w.ID).text("api", w.API).text("title", w.Title)
	if len(w.Regions) > 0 {
		o.key("regions").b = append(o.b, '[')
		for i, region := range w.Regions {
			if i > 0 {
				o.b = append(o.b, ',')
			}
			o.b = jsjson.AppendString(o.b, region)
		}
		o.b = append(o.b, ']')
	}
	o.time("startsAt", &w.StartsAt).time("endsAt", &w.EndsAt).time("announceAt", &w.AnnounceAt)
	o.text("state", w.State).some("createdBy", w.CreatedBy).some("comment", w.Comment).some("endedBy", w.EndedBy)
	if w.Settings {
		o.key("settings").b = append(o.b, "true"...)
	}
	return o.end()
}

// members appends the members of one JSON object.
type members struct{ b []byte }

func (m *members) key(k string) *members {
	if m.b[len(m.b)-1] != '{' {
		m.b = append(m.b, ',')
	}
	m.b = append(jsjson.AppendString(m.b, k), ':')
	return m
}

func (m *members) text(k, v string) *members {
	m.key(k).b = jsjson.AppendString(m.b, v)
	return m
}

// some appends a text that is not empty.
func (m *members) some(k, v string) *members {
	if v == "" {
		return m
	}
	return m.text(k, v)
}

// time appends a time that there is.
func (m *members) time(k string, t *time.Time) *members {
	if t != nil {
		m.key(k).b = jsjson.AppendTime(m.b, *t)
	}
	return m
}

func (m *members) end() []byte { return append(m.b, '}') }

// appendTexts appends texts by name, in the order of their names.
func appendTexts(b []byte, texts map[string]string) []byte {
	o := members{b: append(b, '{')}
	for _, k := range slices.Sorted(maps.Keys(texts)) {
		o.text(k, texts[k])
	}
	return o.end()
}
