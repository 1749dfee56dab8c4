package redisadapter

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/devops-insights/devops-insights/socket/internal/notepack"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// The request and response types of the classic mode.
const (
	typeSockets = iota
	typeRooms
	typeJoin
	typeLeave
	typeDisconnect
	typeFetch
	typeServerEmit
	typeBroadcast
	typeClientCount
	typeAcknowledgement
)

// classic is the layout of createAdapter in Node.
type classic struct {
	namespace string
	uid       string
	specific  bool // answers go to the asking server alone

	broadcasts, requests, responses string // channels
}

func newClassic(prefix, namespace, uid string, specific bool) *classic {
	return &classic{
		namespace: namespace, uid: uid, specific: specific,
		broadcasts: prefix + "#" + namespace + "#",
		requests:   prefix + "-request#" + namespace + "#",
		responses:  prefix + "-response#" + namespace + "#",
	}
}

func (l *classic) channels() channels {
	return channels{
		count: l.requests,
		subscriptions: []subscription{
			{name: escapePattern(l.broadcasts) + "*", pattern: true},
			{name: l.requests}, {name: l.responses}, {name: l.responses + l.uid + "#"},
		},
	}
}

// escapePattern keeps the signs of a namespace's name from being read as a
// pattern.
func escapePattern(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(s)
}

type classicRequest struct {
	UID     string          `json:"uid,omitempty"`
	ID      string          `json:"requestId,omitempty"`
	Type    int             `json:"type"`
	Packet  *packet         `json:"packet,omitempty"`
	Options *options        `json:"opts,omitempty"`
	Rooms   []roomName      `json:"rooms,omitempty"`
	Close   *jsBool         `json:"close,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
	// Of servers before version 8: one socket and one room.
	Socket string   `json:"sid,omitempty"`
	Room   roomName `json:"room,omitempty"`
}

// encodeRequest encodes a command; id is empty where no answer is wanted.
func (l *classic) encodeRequest(c socketio.Command, id string, timeout time.Duration) (string, []byte, error) {
	o := encodeTarget(c.Target, timeout)
	r := classicRequest{UID: l.uid, ID: id, Rooms: toRoomNames(c.Rooms), Options: &options{Rooms: o.Rooms, Except: o.Except}}
	switch c.Kind {
	case socketio.CommandBroadcast:
		channel := l.broadcasts
		if len(c.Target.Rooms) == 1 {
			channel += c.Target.Rooms[0] + "#"
		}
		b := msgp.AppendString(msgp.AppendArrayHeader(nil, 3), l.uid)
		b, err := encodePacket(c.Packet).appendTo(b, c.Packet.Attachments)
		if err != nil {
			return "", nil, err
		}
		return channel, o.appendTo(b), nil
	case socketio.CommandBroadcastAck:
		b := msgp.AppendMapHeader(nil, 5)
		b = msgp.AppendString(msgp.AppendString(b, "uid"), l.uid)
		b = msgp.AppendString(msgp.AppendString(b, "requestId"), id)
		b = msgp.AppendInt(msgp.AppendString(b, "type"), typeBroadcast)
		b, err := encodePacket(c.Packet).appendTo(msgp.AppendString(b, "packet"), c.Packet.Attachments)
		if err != nil {
			return "", nil, err
		}
		return l.requests, o.appendTo(msgp.AppendString(b, "opts")), nil
	case socketio.CommandFetch:
		r.Type = typeFetch
	case socketio.CommandJoin:
		r.Type = typeJoin
	case socketio.CommandLeave:
		r.Type = typeLeave
	case socketio.CommandDisconnect:
		r.Type, r.Close = typeDisconnect, (*jsBool)(&c.Close)
	case socketio.CommandServerEmit:
		r.Type, r.Options, r.Data = typeServerEmit, nil, plainJSON(c.Args)
	default:
		return "", nil, fmt.Errorf("a command of kind %d has no form in this mode", c.Kind)
	}
	b, err := jsjson.Marshal(r)
	return l.requests, b, err
}

type classicResponse struct {
	Type    *int            `json:"type,omitempty"`
	ID      string          `json:"requestId"`
	Sockets *[]socketInfo   `json:"sockets,omitempty"`
	Rooms   *[]string       `json:"rooms,omitempty"`
	Clients *int            `json:"clientCount,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
	Packet  json.RawMessage `json:"packet,omitempty"`
}

// encodeResponse encodes an answer to a message.
func (l *classic) encodeResponse(to message, a socketio.Answer) (string, []byte, error) {
	r := classicResponse{ID: to.request}
	kind := func(n int) *int { return &n }
	switch {
	case to.command.Kind == socketio.CommandFetch:
		r.Sockets = encodeSockets(a.Sockets)
	case to.command.Kind == socketio.CommandServerEmit:
		// Node's servers answer these on the common channel in either case.
		r.Type, r.Data = kind(typeServerEmit), firstElement(plainJSON(*a.Args))
		b, err := jsjson.Marshal(r)
		return l.responses, b, err
	case a.Args != nil:
		b := msgp.AppendMapHeader(nil, 3)
		b = msgp.AppendInt(msgp.AppendString(b, "type"), typeAcknowledgement)
		b = msgp.AppendString(msgp.AppendString(b, "requestId"), to.request)
		b, err := appendFirst(msgp.AppendString(b, "packet"), *a.Args)
		return l.responseChannel(to), b, err
	default:
		r.Type, r.Clients = kind(typeClientCount), &a.Clients
	}
	b, err := jsjson.Marshal(r)
	return l.responseChannel(to), b, err
}

func (l *classic) responseChannel(to message) string {
	if l.specific && to.from != "" {
		return l.responses + to.from + "#"
	}
	return l.responses
}

// encodeLegacyResponse encodes the response to a request that has no Command:
// a list of names under a key, or nothing where the key is empty.
func (l *classic) encodeLegacyResponse(to message, key string, names []string) (string, []byte, error) {
	r := map[string]any{"requestId": to.request}
	if key != "" {
		r[key] = append([]string{}, names...)
	}
	b, err := jsjson.Marshal(r)
	return l.responseChannel(to), b, err
}

// decode decodes what came on one of the channels.
func (l *classic) decode(channel string, body []byte) (message, error) {
	switch {
	case strings.HasPrefix(channel, l.responses):
		return l.decodeResponse(body)
	case channel == l.requests:
		return l.decodeRequest(body)
	case strings.HasPrefix(channel, l.broadcasts):
		return l.decodeBroadcast(body)
	}
	return message{}, errNotOurs
}

func (l *classic) decodeBroadcast(body []byte) (message, error) {
	var parts []json.RawMessage
	attachments, err := decodeMsgpack(body, &parts)
	if err != nil {
		return message{}, err
	}
	if len(parts) != 3 {
		return message{}, fmt.Errorf("a broadcast must have 3 parts, not %d", len(parts))
	}
	var m message
	var p packet
	var o options
	for i, v := range []any{&m.from, &p, &o} {
		if err := json.Unmarshal(parts[i], v); err != nil {
			return message{}, fmt.Errorf("part %d of a broadcast cannot be read: %w", i, err)
		}
	}
	own, err := p.decode(l.namespace, attachments)
	m.command = &socketio.Command{Kind: socketio.CommandBroadcast, Target: o.target(), Packet: own}
	return m, err
}

func (l *classic) decodeRequest(body []byte) (message, error) {
	var r classicRequest
	attachments, err := decodeBody(body, &r)
	if err != nil {
		return message{}, fmt.Errorf("a request cannot be read: %w", err)
	}
	c := &socketio.Command{Rooms: toStrings(r.Rooms)}
	m := message{from: r.UID, request: r.ID, command: c}
	if r.Options != nil {
		c.Target = r.Options.target()
	}
	switch r.Type {
	case typeSockets:
		// The rooms are the target here.
		c.Kind, c.Target.Rooms, c.Rooms, m.legacy = socketio.CommandFetch, c.Rooms, nil, legacySockets
	case typeRooms:
		m.legacy = legacyRooms
	case typeJoin, typeLeave, typeDisconnect:
		c.Kind = map[int]socketio.CommandKind{
			typeJoin: socketio.CommandJoin, typeLeave: socketio.CommandLeave, typeDisconnect: socketio.CommandDisconnect,
		}[r.Type]
		c.Close = r.Close != nil && bool(*r.Close)
		if r.Options == nil {
			if r.Socket == "" {
				return message{}, fmt.Errorf("a request of type %d names no sockets", r.Type)
			}
			c.Target.Rooms, m.legacy = []string{r.Socket}, legacySingle
			if r.Type != typeDisconnect {
				c.Rooms = []string{string(r.Room)}
			}
		}
	case typeFetch:
		c.Kind = socketio.CommandFetch
	case typeServerEmit:
		c.Kind = socketio.CommandServerEmit
		c.Args, err = argsOf(r.Data, attachments)
	case typeBroadcast:
		c.Kind = socketio.CommandBroadcastAck
		if r.Packet == nil {
			return message{}, fmt.Errorf("a request of type %d has no packet", r.Type)
		}
		c.Packet, err = r.Packet.decode(l.namespace, attachments)
	default:
		return message{}, fmt.Errorf("a request of type %d is unknown", r.Type)
	}
	return m, err
}

func (l *classic) decodeResponse(body []byte) (message, error) {
	var r classicResponse
	attachments, err := decodeBody(body, &r)
	if err != nil {
		return message{}, fmt.Errorf("an answer cannot be read: %w", err)
	}
	m := message{request: r.ID, answer: &socketio.Answer{}}
	switch {
	case r.Sockets != nil:
		m.answer.Sockets = decodeSockets(*r.Sockets)
	case r.Clients != nil:
		m.answer.Clients = max(0, *r.Clients)
	case r.Type != nil && *r.Type == typeServerEmit:
		m.answer, err = singleAck(r.Data, attachments)
	case r.Type != nil && *r.Type == typeAcknowledgement:
		m.answer, err = singleAck(r.Packet, attachments)
	default:
		return message{}, errNotOurs
	}
	return m, err
}

// firstElement returns the first element of a JSON list, the only one of an
// acknowledgement that travels between servers.
func firstElement(list json.RawMessage) json.RawMessage {
	var all []json.RawMessage
	if json.Unmarshal(list, &all) != nil || len(all) == 0 {
		return nil
	}
	return all[0]
}

func appendFirst(b []byte, args socketio.Args) ([]byte, error) {
	if args.Len() == 0 {
		return append(b, notepack.Undefined...), nil
	}
	return notepack.AppendJSON(b, args.Raw(0), args.Attachments(), maxDepth)
}
