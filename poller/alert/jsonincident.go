package alert

import "strconv"

// AppendJSON appends the incident as Alert.AppendJSON does.
func (i Incident) AppendJSON(b []byte) []byte {
	b = i.Alert.AppendJSON(b)
	o := members{b: b[:len(b)-1]} // its end comes behind the events
	o.key("events").b = append(o.b, '[')
	for n, e := range i.Events {
		if n > 0 {
			o.b = append(o.b, ',')
		}
		in := members{b: append(o.b, '{')}
		o.b = in.time("at", &e.At).text("kind", string(e.Kind)).some("by", e.By).some("text", e.Text).end()
	}
	o.b = append(o.b, ']')
	return o.end()
}

// AppendJSON appends the silence as Alert.AppendJSON does.
func (s Silence) AppendJSON(b []byte) []byte {
	o := members{b: append(b, '{')}
	o.text("id", s.ID).text("api", s.API)
	o.key("matchers").b = append(o.b, '[')
	for n, m := range s.Matchers {
		if n > 0 {
			o.b = append(o.b, ',')
		}
		in := members{b: append(o.b, '{')}
		in.text("name", m.Name).text("value", m.Value)
		in.key("isRegex").b = strconv.AppendBool(in.b, m.IsRegex)
		in.key("isEqual").b = strconv.AppendBool(in.b, m.IsEqual)
		o.b = in.end()
	}
	o.b = append(o.b, ']')
	o.time("startsAt", &s.StartsAt).time("endsAt", &s.EndsAt)
	return o.text("createdBy", s.CreatedBy).text("comment", s.Comment).time("createdAt", &s.CreatedAt).some("endedBy", s.EndedBy).end()
}
