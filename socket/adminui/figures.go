package adminui

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

// eventStats is the event with the figures of one server.
const eventStats = "server_stats"

// stats is its payload.
type stats struct {
	ServerID   string           `json:"serverId"`
	Hostname   string           `json:"hostname"`
	PID        int              `json:"pid"`
	Uptime     float64          `json:"uptime"` // seconds
	Clients    int              `json:"clientsCount"`
	Polling    int              `json:"pollingClientsCount"`
	Events     []countedEvents  `json:"aggregatedEvents"`
	Namespaces []namespaceStats `json:"namespaces"`
}

type countedEvents struct {
	Timestamp int64  `json:"timestamp"` // milliseconds, of a whole second
	Type      string `json:"type"`
	SubType   string `json:"subType,omitempty"`
	Count     uint64 `json:"count"`
}

type namespaceStats struct {
	Name    string `json:"name"`
	Sockets int    `json:"socketsCount"`
}

// figures makes the figures out of counters of the server, those that its other
// figures come from too.
type figures struct {
	server  *socketio.Server
	base    stats
	started time.Time
	now     func() time.Time

	mu   sync.Mutex
	last *engineio.Stats // what was told of; nil: nobody was told
}

func newFigures(o Options) *figures {
	return &figures{
		server: o.Server, started: o.Started, now: o.Now,
		base: stats{ServerID: o.ServerID, Hostname: o.Hostname, PID: o.PID},
	}
}

// current returns the figures without events.
func (f *figures) current() stats { return f.of(f.server.Stats()) }

func (f *figures) of(counters engineio.Stats) stats {
	all := f.base
	all.Uptime = f.now().Sub(f.started).Seconds()
	all.Clients, all.Polling = counters.Open, counters.OpenByTransport[engineio.Polling]
	all.Events = []countedEvents{}
	for _, n := range f.server.Namespaces() {
		all.Namespaces = append(all.Namespaces, namespaceStats{n.Name(), n.Count()})
	}
	return all
}

// next returns the figures with what happened since the last time. After a pause
// there is no last time: what happened in it has no place in a diagram.
func (f *figures) next() stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	counters := f.server.Stats()
	all := f.of(counters)
	if f.last != nil {
		all.Events = eventsBetween(f.last, &counters, f.now().Truncate(time.Second).UnixMilli())
	}
	f.last = &counters
	return all
}

// pause says that nobody is told for now.
func (f *figures) pause() {
	f.mu.Lock()
	f.last = nil
	f.mu.Unlock()
}

// eventsBetween returns what the counters differ by.
func eventsBetween(before, after *engineio.Stats, at int64) []countedEvents {
	events := []countedEvents{}
	add := func(kind, sub string, from, to uint64) {
		if to > from {
			events = append(events, countedEvents{at, kind, sub, to - from})
		}
	}
	add("rawConnection", "", before.Opened, after.Opened)
	for _, reason := range slices.Sorted(maps.Keys(after.Closed)) {
		add("rawDisconnection", string(reason), before.Closed[reason], after.Closed[reason])
	}
	add("packetsIn", "", before.Traffic.PacketsIn, after.Traffic.PacketsIn)
	add("packetsOut", "", before.Traffic.PacketsOut, after.Traffic.PacketsOut)
	add("bytesIn", "", before.Traffic.BytesIn, after.Traffic.BytesIn)
	add("bytesOut", "", before.Traffic.BytesOut, after.Traffic.BytesOut)
	return events
}
