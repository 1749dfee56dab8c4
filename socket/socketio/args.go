package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/devops-insights/devops-insights/store/jsjson"
)

// Args are the arguments of an event or acknowledgement, still in JSON, with
// the binary parts beside them.
type Args struct {
	raw         []json.RawMessage
	attachments [][]byte
	checked     bool // raw is valid JSON
}

// Args returns the arguments in Data, the event's name first.
func (p *Packet) Args() (Args, error) {
	if p.checked {
		return Args{raw: splitArray(p.Data), attachments: p.Attachments, checked: true}, nil
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(p.Data, &raw); err != nil {
		return Args{}, err
	}
	return Args{raw: raw, attachments: p.Attachments}, nil
}

// Len returns the number of arguments.
func (a Args) Len() int { return len(a.raw) }

// Raw returns argument i as JSON text, or nil if there is none. Binary parts
// stand in it as placeholders.
func (a Args) Raw(i int) json.RawMessage {
	if i < 0 || i >= len(a.raw) {
		return nil
	}
	return a.raw[i]
}

// Members returns the members of argument i as JSON text; nil where it is not
// an object. Of members with one name the last counts, as in JavaScript.
func (a Args) Members(i int) map[string]json.RawMessage {
	raw := a.Raw(i)
	if a.checked {
		if all, plain := splitObject(raw); plain {
			return all
		}
	}
	var all map[string]json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &all) != nil {
		return nil
	}
	return all
}

// Decode stores argument i in v, as json.Unmarshal does. A missing argument
// is an error.
func (a Args) Decode(i int, v any) error {
	raw := a.Raw(i)
	if raw == nil {
		return fmt.Errorf("argument %d is missing: there are %d", i, a.Len())
	}
	return json.Unmarshal(raw, v)
}

// Value returns argument i as a Go value with binary parts as []byte, in any
// depth, objects as map[string]any and numbers as json.Number.
func (a Args) Value(i int) (any, error) {
	raw := a.Raw(i)
	if raw == nil {
		return nil, fmt.Errorf("argument %d is missing: there are %d", i, a.Len())
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return a.reconstruct(v)
}

var errPlaceholder = errors.New("a placeholder names a binary part that did not come")

func (a Args) reconstruct(v any) (any, error) {
	var err error
	switch t := v.(type) {
	case map[string]any:
		if is, _ := t["_placeholder"].(bool); is {
			num, ok := t["num"].(json.Number)
			n, convErr := num.Int64()
			if !ok || convErr != nil || n < 0 || n >= int64(len(a.attachments)) {
				return nil, errPlaceholder
			}
			return a.attachments[n], nil
		}
		for k, e := range t {
			if t[k], err = a.reconstruct(e); err != nil {
				return nil, err
			}
		}
	case []any:
		for i, e := range t {
			if t[i], err = a.reconstruct(e); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// NewArgs encodes values as arguments. A json.RawMessage is passed through as
// it is; []byte, also inside []any, [][]byte and map[string]any in any depth,
// travels as binary.
func NewArgs(values ...any) (Args, error) {
	var a Args
	for i, v := range values {
		if raw, ok := v.(json.RawMessage); ok && len(raw) > 0 {
			a.raw = append(a.raw, raw)
			continue
		}
		one, err := jsjson.Marshal(deconstruct(v, &a.attachments))
		if err != nil {
			return Args{}, fmt.Errorf("argument %d cannot be sent: %w", i, err)
		}
		a.raw = append(a.raw, one)
	}
	return a, nil
}

// after returns the arguments behind the first n.
func (a Args) after(n int) Args {
	a.raw = a.raw[min(n, len(a.raw)):]
	return a
}

// JSON returns the arguments as a JSON array.
func (a Args) JSON() json.RawMessage { return a.appendTo(make([]byte, 0, a.size())) }

// size is the length of the arguments as a JSON array, or a little more.
func (a Args) size() int {
	size := 2
	for _, raw := range a.raw {
		size += len(raw) + 1
	}
	return size
}

func (a Args) appendTo(b []byte) []byte {
	b = append(b, '[')
	for i, raw := range a.raw {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, raw...)
	}
	return append(b, ']')
}

// Attachments returns the binary parts that the placeholders stand for.
func (a Args) Attachments() [][]byte { return a.attachments }

func deconstruct(v any, into *[][]byte) any {
	switch t := v.(type) {
	case []byte:
		*into = append(*into, t)
		return struct {
			Placeholder bool `json:"_placeholder"`
			Num         int  `json:"num"`
		}{true, len(*into) - 1}
	case [][]byte:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = deconstruct(e, into)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = deconstruct(e, into)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			out[k] = deconstruct(e, into)
		}
		return out
	}
	return v
}

// eventPacket makes the packet of an event.
func eventPacket(namespace, event string, values []any) (*Packet, error) {
	if reserved(event) {
		return nil, fmt.Errorf("%w: %q", ErrReservedEvent, event)
	}
	args, err := NewArgs(append([]any{event}, values...)...)
	if err != nil {
		return nil, err
	}
	return args.packet(PacketEvent, namespace), nil
}

// packet makes an event or acknowledgement of the arguments.
func (a Args) packet(kind PacketType, namespace string) *Packet {
	if len(a.attachments) > 0 {
		kind += PacketBinaryEvent - PacketEvent
	}
	p := &Packet{Type: kind, Namespace: namespace, Attachments: a.attachments}
	head := p.appendHead(make([]byte, 0, len(namespace)+16+a.size()))
	p.text = a.appendTo(head)
	p.Data = p.text[len(head):]
	return p
}

// Values returns all arguments as Value does, ready to be sent again; one
// without binary parts stays the JSON text that it was.
func (a Args) Values() []any {
	values := make([]any, a.Len())
	for i, raw := range a.raw {
		values[i] = raw
		if len(a.attachments) == 0 {
			continue
		}
		if v, err := a.Value(i); err == nil {
			values[i] = v
		}
	}
	return values
}
