package adminui

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

const (
	commandRate  = 20 // commands a second of one administrator
	commandBurst = 100
	maxName      = 1024 // bytes of a room, an id or the name of an event
	maxLogged    = 100
)

var (
	errReadOnly = errors.New("commands are not allowed here: ADMIN_UI=full allows them")
	errTooFast  = errors.New("too many commands: the administrator is disconnected")
)

// order is a command: what is done, and what the log says of it.
type order struct {
	fields  logrus.Fields
	execute func() error
}

// registerCommands serves the events of the UI. Where commands are not allowed,
// it is only logged that somebody tried.
func (a *Admin) registerCommands() {
	a.command("emit", a.emit)
	a.command("join", func(c socketio.Args) (order, error) {
		return a.move(c, func(b socketio.Broadcast, room string) error { return b.SocketsJoin(room) })
	})
	a.command("leave", func(c socketio.Args) (order, error) {
		return a.move(c, func(b socketio.Broadcast, room string) error { return b.SocketsLeave(room) })
	})
	a.command("_disconnect", a.disconnect)
}

// command serves one event and writes one line for each of its kind.
func (a *Admin) command(name string, read func(socketio.Args) (order, error)) {
	a.namespace.On(name, func(s *socketio.Socket, args socketio.Args, ack socketio.Ack) {
		select {
		case <-s.Session().Done():
			return // what it had sent before it was disconnected
		default:
		}
		line := a.line(s).WithField("command", name)
		if !visitorOf(s).commands.AllowN(a.Now(), 1) {
			line.WithError(errTooFast).Warn("a command of an administrator was refused")
			s.Session().Close()
			return
		}
		o, err := read(args)
		if err == nil && !a.Full {
			err = errReadOnly
		}
		outcome := "was refused"
		if err == nil {
			outcome = "failed"
			err = o.execute()
		}
		line = line.WithFields(o.fields)
		if err != nil {
			line.WithError(err).Warn("a command of an administrator " + outcome)
			_ = ack(map[string]string{"error": err.Error()}) // who has gone needs none
			return
		}
		line.Info("a command of an administrator was carried out")
		_ = ack(map[string]bool{"ok": true})
	})
}

// emit: (namespace, filter, event, arguments …).
func (a *Admin) emit(args socketio.Args) (o order, err error) {
	o.fields = logrus.Fields{}
	to, err := a.target(args, 1, o.fields)
	if err != nil {
		return o, err
	}
	event, err := text(args, 2, "the event")
	if err != nil {
		return o, err
	}
	values := args.Values()[3:]
	o.fields["event"], o.fields["args"] = logged(event), len(values)
	if o.fields["namespace"] == Name {
		return o, fmt.Errorf("nothing is emitted to %s: its events are those of the servers", Name)
	}
	o.execute = func() error { return to.Emit(event, values...) }
	return o, nil
}

// move: (namespace, room, filter).
func (a *Admin) move(args socketio.Args, do func(socketio.Broadcast, string) error) (o order, err error) {
	o.fields = logrus.Fields{}
	who, err := a.target(args, 2, o.fields)
	if err != nil {
		return o, err
	}
	room, err := text(args, 1, "the room")
	o.fields["room"] = logged(room)
	o.execute = func() error { return do(who, room) }
	return o, err
}

// disconnect: (namespace, close, filter).
func (a *Admin) disconnect(args socketio.Args) (o order, err error) {
	o.fields = logrus.Fields{}
	who, err := a.target(args, 2, o.fields)
	if err != nil {
		return o, err
	}
	var whole bool
	if err := args.Decode(1, &whole); err != nil {
		return o, errors.New("whether the connection is closed must be true or false")
	}
	o.fields["close"] = whole
	o.execute = func() error { return who.DisconnectSockets(whole) }
	return o, nil
}

// target reads the namespace and the filter, which argument i is: a room or the
// id of a socket; without it all sockets are meant.
func (a *Admin) target(args socketio.Args, i int, fields logrus.Fields) (socketio.Broadcast, error) {
	name, err := text(args, 0, "the namespace")
	if err != nil {
		return socketio.Broadcast{}, err
	}
	fields["namespace"] = logged(name)
	// Not by Of, which would make one.
	var n *socketio.Namespace
	for _, one := range a.Server.Namespaces() {
		if one.Name() == name {
			n = one
		}
	}
	if n == nil {
		return socketio.Broadcast{}, errors.New("this server has no such namespace")
	}
	if raw := args.Raw(i); len(raw) == 0 || string(raw) == "null" {
		fields["filter"] = "all"
		return n.All(), nil
	}
	filter, err := text(args, i, "the filter")
	if err != nil {
		return socketio.Broadcast{}, err
	}
	fields["filter"] = logged(filter)
	return n.To(filter), nil
}

// text reads an argument that must be a text with something in it.
func text(args socketio.Args, i int, what string) (string, error) {
	var value string
	raw := args.Raw(i)
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &value) != nil {
		return "", fmt.Errorf("%s must be a text", what)
	}
	if value == "" || len(value) > maxName {
		return "", fmt.Errorf("%s must have 1 to %d bytes", what, maxName)
	}
	return value, nil
}

// logged is a text as the log has it: bounded, and of what looks like the id of a
// socket the beginning only.
func logged(value string) string {
	before, id, found := strings.Cut(value, "#") // as version 3 of Engine.IO has it
	if !found {
		before, id = "", value
	} else {
		before += "#"
	}
	switch {
	case isID(id):
		value = before + short(id) + "…"
	case len(value) > maxLogged:
		value = value[:maxLogged] + "…"
	}
	return strings.ToValidUTF8(value, "\ufffd")
}

// isID reports whether the text has the form of an id of a socket.
func isID(text string) bool {
	if len(text) != 20 {
		return false
	}
	for _, c := range text {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
