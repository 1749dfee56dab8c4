package connz

import (
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// row is a connection as JSON. What does not exist, such as the round trip of a
// client that has not answered a ping yet, has no key.
type row struct {
	CID        uint64          `json:"cid"`
	ID         string          `json:"id"`
	Sockets    []string        `json:"sockets"`
	Namespaces []string        `json:"namespaces"`
	Address    string          `json:"address,omitempty"`
	State      string          `json:"state"`
	Code       engineio.Code   `json:"code,omitempty"`
	Reason     engineio.Reason `json:"reason,omitempty"`
	Transport  string          `json:"transport"`
	Protocol   int             `json:"protocol"`

	Start        string  `json:"start"`
	LastActivity string  `json:"last_activity"`
	Stop         string  `json:"stop,omitempty"`
	Uptime       float64 `json:"uptime_seconds"`
	Idle         float64 `json:"idle_seconds"`
	RTT          float64 `json:"rtt_ms,omitempty"`
	Upgrade      float64 `json:"upgrade_ms,omitempty"`

	PacketsIn          uint64 `json:"packets_in"`
	PacketsOut         uint64 `json:"packets_out"`
	BytesIn            uint64 `json:"bytes_in"`
	BytesInCompressed  uint64 `json:"bytes_in_compressed"`
	BytesOut           uint64 `json:"bytes_out"`
	BytesOutCompressed uint64 `json:"bytes_out_compressed"`

	QueueBytes    int    `json:"queue_bytes"`
	QueueMessages int    `json:"queue_messages"`
	Coalesced     uint64 `json:"coalesced"`

	Rooms     []string `json:"rooms"`
	UserAgent string   `json:"user_agent,omitempty"`
}

const (
	stateOpen   = "open"
	stateClosed = "closed"
	timeFormat  = "2006-01-02T15:04:05.000Z"
)

func (c *conn) state() string {
	if c.Ended.IsZero() {
		return stateOpen
	}
	return stateClosed
}

// until is the moment that durations of the connection reach to: its end, or now.
func (c *conn) until(now time.Time) time.Time {
	if c.Ended.IsZero() {
		return now
	}
	return c.Ended
}

func (c *conn) uptime(now time.Time) time.Duration { return max(0, c.until(now).Sub(c.Since)) }

// idle is how long the client has not been heard, or had not been at its end.
func (c *conn) idle(now time.Time) time.Duration { return max(0, c.until(now).Sub(c.LastActivity)) }

func (c *conn) row(now time.Time) row {
	r := row{
		CID: c.Number, ID: c.ID, Sockets: []string{}, Namespaces: []string{}, State: c.state(), Code: c.Code, Reason: c.Reason,
		Transport: c.Transport, Protocol: c.Protocol,
		Start: format(c.Since), LastActivity: format(c.LastActivity),
		Uptime: c.uptime(now).Seconds(), Idle: c.idle(now).Seconds(), RTT: milliseconds(c.RTT), Upgrade: milliseconds(c.Upgrade),
		PacketsIn: c.PacketsIn, PacketsOut: c.PacketsOut, BytesIn: c.BytesIn, BytesInCompressed: c.BytesInCompressed,
		BytesOut: c.BytesOut, BytesOutCompressed: c.BytesOutCompressed,
		QueueBytes: c.QueueBytes, QueueMessages: c.QueueMessages, Coalesced: c.Coalesced,
		Rooms: []string{}, UserAgent: c.UserAgent,
	}
	if c.Address.IsValid() {
		r.Address = c.Address.String()
	}
	if !c.Ended.IsZero() {
		r.Stop = format(c.Ended)
	}
	for _, m := range c.members {
		r.Sockets, r.Namespaces = append(r.Sockets, m.ID), append(r.Namespaces, m.Namespace)
	}
	for _, room := range c.rooms() {
		r.Rooms = append(r.Rooms, clean(room, maxName))
	}
	return r
}

func format(t time.Time) string { return t.UTC().Format(timeFormat) }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
