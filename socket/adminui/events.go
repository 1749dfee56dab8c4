package adminui

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// maxArg is how many bytes of one argument are shown.
const maxArg = 2048

var _ socketio.Watcher = (*stage)(nil)

// Wants implements socketio.Watcher.
func (t *stage) Wants(s *socketio.Socket) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	_, is := t.actors[s]
	return is
}

// Event implements socketio.Watcher.
func (t *stage) Event(s *socketio.Socket, sent bool, args socketio.Args) {
	if !t.allows() {
		return
	}
	event := "event_received"
	if sent {
		event = "event_sent"
	}
	t.send(event, s.Namespace().Name(), s.ID(), t.shownArgs(args), t.time())
}

// shownArgs are the name of an event and its arguments as far as they are shown.
func (t *stage) shownArgs(args socketio.Args) []any {
	var name string
	_ = args.Decode(0, &name) // without one there would be no event
	list := []any{cut(name)}
	for i := 1; i < args.Len(); i++ {
		raw := args.Raw(i)
		if !t.admin.Payloads || len(raw) > maxArg || !json.Valid(raw) {
			list = append(list, fmt.Sprintf("(%d bytes)", len(raw)))
			continue
		}
		list = append(list, json.RawMessage(jsjson.Valid(bytes.Clone(raw))))
	}
	return list
}

// Joined implements socketio.Watcher.
func (t *stage) Joined(s *socketio.Socket, rooms []string) { t.moved("room_joined", s, rooms) }

// Left implements socketio.Watcher.
func (t *stage) Left(s *socketio.Socket, rooms []string) { t.moved("room_left", s, rooms) }

func (t *stage) moved(event string, s *socketio.Socket, rooms []string) {
	for _, room := range rooms {
		if !t.tell(event, s.Namespace().Name(), cut(room), s.ID(), t.time()) {
			t.setStale()
			return
		}
	}
}
