package socket

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/live"
)

// handleRemote carries out what another process sends to the dashboards. An
// update of a region goes through the view, which leaves out what the
// dashboards have been told.
func (h *Hub) handleRemote(c socketio.Command, next func()) {
	a, ok := h.announcement(c)
	if !ok {
		next()
		return
	}
	h.View.Announce(a, next)
}

// announcement reads an update of a region; false for anything else.
func (h *Hub) announcement(c socketio.Command) (a live.Announcement, ok bool) {
	if c.Kind != socketio.CommandBroadcast || len(c.Target.Rooms) != 1 {
		return a, false
	}
	api, source, ok := h.place(c.Target.Rooms[0])
	if !ok {
		return a, false
	}
	var event string
	var body struct {
		Data      json.RawMessage `json:"data"`
		Timestamp time.Time       `json:"timestamp"`
	}
	args, err := c.Packet.Args()
	if err != nil || args.Decode(0, &event) != nil || event != EventUpdate || args.Decode(1, &body) != nil {
		return a, false
	}
	var compact bytes.Buffer
	if json.Compact(&compact, body.Data) != nil {
		return a, false
	}
	return live.Announcement{
		API: api, Source: source, Hash: store.Hash(compact.Bytes()), Clock: body.Timestamp, Update: args.Raw(1),
	}, true
}

// place returns the region whose room it is, where the catalog has it.
func (h *Hub) place(room string) (api, source string, ok bool) {
	name, ok := strings.CutPrefix(room, "metrics:")
	if !ok {
		return "", "", false
	}
	if api, source, ok = strings.Cut(name, ":"); !ok || api == "" {
		return "", "", false
	}
	known, ok := h.Catalog().Find(api)
	return api, source, ok && known.Has(source)
}
