package socket

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store"
)

// told remembers what the dashboards of each room were told last, so that none
// hears a value twice, or an older one after a newer, whichever way it came.
type told struct {
	mu    sync.Mutex
	rooms map[string]tell
}

type tell struct {
	hash string
	at   time.Time
}

// advance reports whether the value is news to the room, and notes it.
func (t *told) advance(room, hash string, at time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, known := t.rooms[room]
	if known && (at.Before(last.at) || hash == last.hash && !at.After(last.at)) {
		return false
	}
	if t.rooms == nil {
		t.rooms = make(map[string]tell)
	}
	t.rooms[room] = tell{hash, at}
	return true
}

// same reports whether the room was told this value last.
func (t *told) same(room, hash string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rooms[room].hash == hash
}

// Prime notes what is stored as told: dashboards ask for it when they connect.
func (h *Hub) Prime(ctx context.Context) error {
	all, err := h.Reader.AllLatest(ctx, h.API)
	if err != nil {
		return fmt.Errorf("the latest values cannot be read: %w", err)
	}
	for _, m := range all {
		h.told.advance(Room(m.API, m.Source), m.Hash, m.UpdatedAt)
	}
	return nil
}

// Resync tells the dashboards of this process what changed while this process
// could not hear of it, and nothing else.
func (h *Hub) Resync(ctx context.Context) error {
	all, err := h.Reader.AllLatest(ctx, h.API)
	if err != nil {
		return fmt.Errorf("the latest values cannot be read: %w", err)
	}
	for _, m := range all {
		if h.told.same(Room(m.API, m.Source), m.Hash) {
			continue
		}
		if err := h.Publish(store.Change{Metric: m}, true); err != nil {
			return err
		}
	}
	return nil
}

// elsewhere carries out what another server sends: a change that the dashboards
// of this process have been told, or will be by Publish, is left out.
func (h *Hub) elsewhere(c socketio.Command, carryOut func()) {
	prefix := Room(h.API, "")
	if c.Kind != socketio.CommandBroadcast || len(c.Target.Rooms) != 1 || !strings.HasPrefix(c.Target.Rooms[0], prefix) {
		carryOut()
		return
	}
	var event string
	var body struct {
		Data      json.RawMessage `json:"data"`
		Timestamp time.Time       `json:"timestamp"`
	}
	args, err := c.Packet.Args()
	if err != nil || args.Decode(0, &event) != nil || event != EventUpdate || args.Decode(1, &body) != nil {
		carryOut()
		return
	}
	if h.HearsAll != nil && h.HearsAll() {
		return
	}
	var compact bytes.Buffer
	if json.Compact(&compact, body.Data) != nil {
		carryOut()
		return
	}
	room, hash := c.Target.Rooms[0], store.Hash(compact.Bytes())
	if h.told.same(room, hash) || !h.told.advance(room, hash, body.Timestamp) {
		return
	}
	if h.OnElsewhere != nil {
		h.OnElsewhere(h.API)
	}
	_ = h.gap.send(room, args.Raw(1), func() error {
		carryOut()
		return nil
	})
}
