package redisadapter

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/socket/internal/notepack"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// The message types of the sharded mode.
const (
	shardedBroadcast = iota + 3
	shardedJoin
	shardedLeave
	shardedDisconnect
	shardedFetch
	shardedFetched
	shardedServerEmit
	shardedServerResponse
	shardedClientCount
	shardedAcknowledgement
)

// socketIDLength is how long the id of a socket is; a room of that length has
// no channel of its own in the dynamic mode, in Node as here.
const socketIDLength = 20

// Subscriptions says which rooms have a channel of their own in the sharded
// mode: the option subscriptionMode of Node.
type Subscriptions string

// The modes of Node.
const (
	Static         Subscriptions = "static"          // none
	Dynamic        Subscriptions = "dynamic"         // those that are not of one client alone
	DynamicPrivate Subscriptions = "dynamic-private" // all
)

// sharded is the layout of createShardedAdapter in Node.
type sharded struct {
	namespace, uid, channel string
	subscribed              Subscriptions
}

func newSharded(prefix, namespace, uid string, subscribed Subscriptions) *sharded {
	return &sharded{namespace: namespace, uid: uid, channel: prefix + "#" + namespace + "#", subscribed: subscribed}
}

func (l *sharded) channels() channels {
	return channels{
		count:         l.channel,
		subscriptions: []subscription{{name: l.channel}, {name: l.channel + l.uid + "#"}},
	}
}

// room returns the subscription of a room, and whether it has one.
func (l *sharded) room(name string) (subscription, bool) {
	own := l.subscribed == DynamicPrivate || l.subscribed == Dynamic && len(name) != socketIDLength
	return subscription{name: l.channel + name + "#"}, own
}

type shardedMessage struct {
	Type      int         `json:"type"`
	Data      shardedData `json:"data"`
	UID       string      `json:"uid,omitempty"`
	Namespace string      `json:"nsp,omitempty"`
}

type shardedData struct {
	Packet  json.RawMessage `json:"packet,omitempty"`
	Options *options        `json:"opts,omitempty"`
	Rooms   []roomName      `json:"rooms,omitempty"`
	Close   *jsBool         `json:"close,omitempty"`
	ID      string          `json:"requestId,omitempty"`
	Sockets *[]socketInfo   `json:"sockets,omitempty"`
	Clients *int            `json:"clientCount,omitempty"`
}

// encode writes JSON, or MessagePack where there are binary parts.
func (l *sharded) encode(m shardedMessage, attachments [][]byte) ([]byte, error) {
	m.UID, m.Namespace = l.uid, l.namespace
	text, err := jsjson.Marshal(m)
	if err != nil || len(attachments) == 0 {
		return text, err
	}
	return notepack.AppendJSON(nil, text, attachments, maxDepth)
}

func (l *sharded) encodeRequest(c socketio.Command, id string, timeout time.Duration) (string, []byte, error) {
	o := encodeTarget(c.Target, timeout)
	m := shardedMessage{Data: shardedData{Options: &o, ID: id, Rooms: toRoomNames(c.Rooms)}}
	channel := l.channel
	var attachments [][]byte
	switch c.Kind {
	case socketio.CommandBroadcast, socketio.CommandBroadcastAck:
		m.Type = shardedBroadcast
		p := encodePacket(c.Packet)
		p.Namespace = nil // the message names it
		text, err := jsjson.Marshal(p)
		if err != nil {
			return "", nil, err
		}
		m.Data.Packet, attachments = text, c.Packet.Attachments
		if id == "" && len(c.Target.Rooms) == 1 {
			if s, own := l.room(c.Target.Rooms[0]); own {
				channel = s.name
			}
		}
	case socketio.CommandJoin:
		m.Type = shardedJoin
	case socketio.CommandLeave:
		m.Type = shardedLeave
	case socketio.CommandDisconnect:
		m.Type, m.Data.Close = shardedDisconnect, (*jsBool)(&c.Close)
	case socketio.CommandFetch:
		m.Type = shardedFetch
	case socketio.CommandServerEmit:
		m.Type, m.Data.Options = shardedServerEmit, nil
		m.Data.Packet, attachments = c.Args.JSON(), c.Args.Attachments()
	default:
		return "", nil, fmt.Errorf("a command of kind %d has no form in this mode", c.Kind)
	}
	b, err := l.encode(m, attachments)
	return channel, b, err
}

func (l *sharded) encodeResponse(to message, a socketio.Answer) (string, []byte, error) {
	m := shardedMessage{Data: shardedData{ID: to.request}}
	var attachments [][]byte
	switch {
	case to.command.Kind == socketio.CommandFetch:
		m.Type, m.Data.Sockets = shardedFetched, encodeSockets(a.Sockets)
	case a.Args != nil:
		m.Type = shardedAcknowledgement
		if to.command.Kind == socketio.CommandServerEmit {
			m.Type = shardedServerResponse
		}
		m.Data.Packet, attachments = a.Args.Raw(0), a.Args.Attachments()
	default:
		m.Type, m.Data.Clients = shardedClientCount, &a.Clients
	}
	b, err := l.encode(m, attachments)
	return l.channel + to.from + "#", b, err
}

func (l *sharded) decode(_ string, body []byte) (message, error) {
	var in shardedMessage
	attachments, err := decodeBody(body, &in)
	if err != nil {
		return message{}, fmt.Errorf("a message cannot be read: %w", err)
	}
	// Answers of Node carry no namespace: they come on this server's channel.
	if in.Namespace != "" && in.Namespace != l.namespace {
		return message{}, errNotOurs
	}
	m := message{from: in.UID, request: in.Data.ID}
	switch in.Type {
	case shardedFetched, shardedServerResponse, shardedClientCount, shardedAcknowledgement:
		m.answer, err = in.response(attachments)
		return m, err
	}
	m.command, err = l.command(in, attachments)
	return m, err
}

func (in shardedMessage) response(attachments [][]byte) (*socketio.Answer, error) {
	switch {
	case in.Type == shardedFetched && in.Data.Sockets != nil:
		return &socketio.Answer{Sockets: decodeSockets(*in.Data.Sockets)}, nil
	case in.Type == shardedClientCount && in.Data.Clients != nil:
		return &socketio.Answer{Clients: max(0, *in.Data.Clients)}, nil
	case in.Type == shardedServerResponse || in.Type == shardedAcknowledgement:
		return singleAck(in.Data.Packet, attachments)
	}
	return nil, fmt.Errorf("an answer of type %d is empty", in.Type)
}

func (l *sharded) command(in shardedMessage, attachments [][]byte) (*socketio.Command, error) {
	c := &socketio.Command{Rooms: toStrings(in.Data.Rooms), Close: in.Data.Close != nil && bool(*in.Data.Close)}
	if in.Data.Options != nil {
		c.Target = in.Data.Options.target()
	}
	var err error
	switch in.Type {
	case shardedBroadcast:
		if in.Data.ID != "" {
			c.Kind = socketio.CommandBroadcastAck
		}
		var p packet
		if err = json.Unmarshal(in.Data.Packet, &p); err == nil {
			p.Namespace = &l.namespace
			c.Packet, err = p.decode(l.namespace, attachments)
		}
	case shardedJoin:
		c.Kind = socketio.CommandJoin
	case shardedLeave:
		c.Kind = socketio.CommandLeave
	case shardedDisconnect:
		c.Kind = socketio.CommandDisconnect
	case shardedFetch:
		c.Kind = socketio.CommandFetch
	case shardedServerEmit:
		c.Kind = socketio.CommandServerEmit
		c.Args, err = argsOf(slices.Clone(in.Data.Packet), attachments)
	default:
		return nil, fmt.Errorf("a message of type %d is unknown", in.Type)
	}
	return c, err
}
