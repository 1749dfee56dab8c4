package redisadapter

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/devops-insights/devops-insights/socket/internal/notepack"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// message is what came over Redis: a command, or an answer to one of ours.
type message struct {
	from    string // the sender's uid
	request string // id of the request; empty where no answer is wanted
	command *socketio.Command
	answer  *socketio.Answer
	legacy  legacyRequest
}

// legacyRequest is a request of Node that has no Command; its response has a
// form of its own.
type legacyRequest int

const (
	legacyNone    legacyRequest = iota
	legacySockets               // the ids of the sockets in rooms
	legacyRooms                 // the names of all rooms
	legacySingle                // a command for one socket, of servers before version 8
)

// errNotOurs says that a message is well formed and meant for others.
var errNotOurs = errors.New("the message is for another namespace")

// options is how Node writes a Target.
type options struct {
	Rooms  []roomName `json:"rooms"`
	Except []roomName `json:"except"`
	Flags  *flags     `json:"flags,omitempty"`
}

type flags struct {
	Volatile jsBool  `json:"volatile,omitempty"`
	Compress *jsBool `json:"compress,omitempty"`
	Timeout  int64   `json:"timeout,omitempty"` // milliseconds
}

// UnmarshalJSON takes what matters to a receiver and is content with flags of
// any other form: no sender checks them, and PHP writes none of them as a list.
func (f *flags) UnmarshalJSON(b []byte) error {
	var known struct {
		Volatile jsBool
		Compress *jsBool
	}
	_ = json.Unmarshal(b, &known) // see above
	*f = flags{Volatile: known.Volatile, Compress: known.Compress}
	return nil
}

// jsBool is any value, which JavaScript takes for true or false.
type jsBool bool

// UnmarshalJSON reads any value.
func (t *jsBool) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "false", "null", "0", `""`:
		*t = false
	default:
		*t = true
	}
	return nil
}

// roomName is a room; in Node it may also be a number.
type roomName string

// UnmarshalJSON accepts a string or a number.
func (r *roomName) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(r))
	}
	n, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return fmt.Errorf("a room must be a text or a number, not %.20s", b)
	}
	*r = roomName(strconv.FormatFloat(n, 'f', -1, 64))
	return nil
}

func toStrings(rooms []roomName) []string {
	list := make([]string, len(rooms))
	for i, r := range rooms {
		list[i] = string(r)
	}
	return list
}

func toRoomNames(rooms []string) []roomName {
	list := make([]roomName, len(rooms))
	for i, r := range rooms {
		list[i] = roomName(r)
	}
	return list
}

// encodeTarget writes a target as Node does; timeout is how long the sender
// waits for acknowledgements.
func encodeTarget(t socketio.Target, timeout time.Duration) options {
	o := options{Rooms: toRoomNames(t.Rooms), Except: toRoomNames(t.Except), Flags: &flags{Volatile: jsBool(t.Volatile), Timeout: timeout.Milliseconds()}}
	if t.NoCompress {
		o.Flags.Compress = new(jsBool)
	}
	return o
}

func (o options) target() socketio.Target {
	t := socketio.Target{Rooms: toStrings(o.Rooms), Except: toStrings(o.Except)}
	if o.Flags != nil {
		t.Volatile = bool(o.Flags.Volatile)
		t.NoCompress = o.Flags.Compress != nil && !bool(*o.Flags.Compress)
	}
	return t
}

// appendTo writes the options as MessagePack.
func (o options) appendTo(b []byte) []byte {
	b = msgp.AppendMapHeader(b, 3)
	b = appendStrings(msgp.AppendString(b, "rooms"), toStrings(o.Rooms))
	b = appendStrings(msgp.AppendString(b, "except"), toStrings(o.Except))
	b = msgp.AppendString(b, "flags")
	text, _ := json.Marshal(o.Flags)                   // cannot fail: plain fields
	b, _ = notepack.AppendJSON(b, text, nil, maxDepth) // nor can this: it is JSON
	return b
}

// packet is how Node writes a Packet before it is sent: binary parts stand
// where they belong, and the type is that of an event without them.
type packet struct {
	Type      int             `json:"type"`
	Data      json.RawMessage `json:"data"`
	Namespace *string         `json:"nsp,omitempty"`
}

func encodePacket(p *socketio.Packet) packet {
	return packet{Type: int(socketio.PacketEvent), Data: p.Data, Namespace: &p.Namespace}
}

func (p packet) appendTo(b []byte, attachments [][]byte) ([]byte, error) {
	b = msgp.AppendMapHeader(b, 3)
	b = msgp.AppendInt(msgp.AppendString(b, "type"), p.Type)
	b, err := notepack.AppendJSON(msgp.AppendString(b, "data"), p.Data, attachments, maxDepth)
	if err != nil {
		return nil, err
	}
	return msgp.AppendString(msgp.AppendString(b, "nsp"), *p.Namespace), nil
}

// decode checks a packet of another server and makes it ours. A packet
// without a namespace is for the default one, as Node's emitter sends it.
func (p packet) decode(namespace string, attachments [][]byte) (*socketio.Packet, error) {
	name := "/"
	if p.Namespace != nil {
		name = *p.Namespace
	}
	if name != namespace {
		return nil, errNotOurs
	}
	if len(p.Data) == 0 || p.Data[0] != '[' || (p.Type != int(socketio.PacketEvent) && p.Type != int(socketio.PacketBinaryEvent)) {
		return nil, fmt.Errorf("a packet of type %d without a list of arguments is no event", p.Type)
	}
	own := &socketio.Packet{Type: socketio.PacketEvent, Namespace: name, Data: p.Data, Attachments: attachments}
	if len(attachments) > 0 {
		own.Type = socketio.PacketBinaryEvent
	}
	return own, nil
}

// decodeMsgpack decodes one MessagePack value, and nothing behind it, into v by way
// of JSON; binary parts are returned.
func decodeMsgpack(body []byte, v any) ([][]byte, error) {
	u := notepack.Decoder{Rest: body, MaxDepth: maxDepth + envelopeDepth}
	text, err := u.Value(nil)
	if err != nil {
		return nil, fmt.Errorf("a message is not MessagePack: %w", err)
	}
	if len(u.Rest) > 0 {
		return nil, errors.New("a message goes on behind its end")
	}
	return u.Attachments, json.Unmarshal(text, v)
}

// decodeBody decodes a message that is JSON or MessagePack. Invalid UTF-8
// becomes U+FFFD: parts of the message go to clients as they are.
func decodeBody(body []byte, v any) ([][]byte, error) {
	if len(body) > 0 && body[0] == '{' {
		return nil, json.Unmarshal(jsjson.Valid(body), v)
	}
	return decodeMsgpack(body, v)
}

// argsOf makes arguments of JSON with binary parts beside it.
func argsOf(list json.RawMessage, attachments [][]byte) (socketio.Args, error) {
	return (&socketio.Packet{Data: list, Attachments: attachments}).Args()
}

// singleAck makes an acknowledgement of a single value, which may be missing.
func singleAck(value json.RawMessage, attachments [][]byte) (*socketio.Answer, error) {
	list := json.RawMessage("[]")
	if len(value) > 0 {
		list = append(append(json.RawMessage{'['}, value...), ']')
	}
	args, err := argsOf(list, attachments)
	return &socketio.Answer{Args: &args}, err
}

// plainJSON returns JSON text without binary parts beside it: each stands in
// it as Node writes a Buffer in JSON.
func plainJSON(args socketio.Args) json.RawMessage {
	if len(args.Attachments()) == 0 {
		return args.JSON()
	}
	values := args.Values()
	for i := range values {
		values[i] = withBuffers(values[i])
	}
	text, err := jsjson.Marshal(values)
	if err != nil {
		return args.JSON()
	}
	return text
}

func withBuffers(v any) any {
	switch t := v.(type) {
	case []byte:
		numbers := make([]int, len(t))
		for i, b := range t {
			numbers[i] = int(b)
		}
		return map[string]any{"type": "Buffer", "data": numbers}
	case []any:
		for i := range t {
			t[i] = withBuffers(t[i])
		}
	case map[string]any:
		for k := range t {
			t[k] = withBuffers(t[k])
		}
	}
	return v
}
