package connz

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// key is a way to sort: by a figure, the largest or latest first, or by a text.
type key struct {
	figure func(c *conn, now time.Time) float64
	text   func(c *conn) string
}

func figure(f func(c *conn, now time.Time) float64) key { return key{figure: f} }

// keys returns what may be sorted by.
func keys() map[string]key {
	moment := func(t time.Time) float64 {
		if t.IsZero() {
			return 0
		}
		return float64(t.UnixMicro())
	}
	return map[string]key{
		"cid":         figure(func(c *conn, _ time.Time) float64 { return -float64(c.Number) }),
		"start":       figure(func(c *conn, _ time.Time) float64 { return moment(c.Since) }),
		"stop":        figure(func(c *conn, _ time.Time) float64 { return moment(c.Ended) }),
		"last":        figure(func(c *conn, _ time.Time) float64 { return moment(c.LastActivity) }),
		"idle":        figure(func(c *conn, now time.Time) float64 { return float64(c.idle(now)) }),
		"uptime":      figure(func(c *conn, now time.Time) float64 { return float64(c.uptime(now)) }),
		"rtt":         figure(func(c *conn, _ time.Time) float64 { return float64(c.RTT) }),
		"upgrade":     figure(func(c *conn, _ time.Time) float64 { return float64(c.Upgrade) }),
		"bytes_in":    figure(func(c *conn, _ time.Time) float64 { return float64(c.BytesIn) }),
		"bytes_out":   figure(func(c *conn, _ time.Time) float64 { return float64(c.BytesOut) }),
		"packets_in":  figure(func(c *conn, _ time.Time) float64 { return float64(c.PacketsIn) }),
		"packets_out": figure(func(c *conn, _ time.Time) float64 { return float64(c.PacketsOut) }),
		"queue":       figure(func(c *conn, _ time.Time) float64 { return float64(c.QueueBytes) }),
		"coalesced":   figure(func(c *conn, _ time.Time) float64 { return float64(c.Coalesced) }),
		"rooms":       figure(func(c *conn, _ time.Time) float64 { return float64(len(c.rooms())) }),
		"reason":      {text: func(c *conn) string { return string(c.Code) }},
		"address":     {text: func(c *conn) string { return string(c.Address.AppendTo(nil)) }},
		"transport":   {text: func(c *conn) string { return c.Transport }},
		"agent":       {text: func(c *conn) string { return c.UserAgent }},
	}
}

// aliases are the names that people know from elsewhere.
var aliases = strings.NewReplacer("pkts_", "packets_", "msgs_", "packets_", "code", "reason", "rtt_ms", "rtt", "queue_bytes", "queue")

// sortKeys returns the names of keys in the order of the alphabet.
func sortKeys() []string { return slices.Sorted(maps.Keys(keys())) }

// order sorts by the key of that name; with a minus before it the other way
// round. Of equal ones the older connection comes first.
func order(list []*conn, name string, now time.Time) error {
	plain, reversed := strings.CutPrefix(name, "-")
	k, ok := keys()[aliases.Replace(plain)]
	if !ok {
		return fmt.Errorf("sort=%s is unknown: allowed are %s; a minus before it turns the order round", shown(name), strings.Join(sortKeys(), ", "))
	}
	direction := 1
	if reversed {
		direction = -1
	}
	type entry struct {
		*conn
		figure float64
		text   string
	}
	entries := make([]entry, len(list))
	for i, c := range list {
		entries[i].conn = c
		if k.text != nil {
			entries[i].text = k.text(c)
		} else {
			entries[i].figure = -k.figure(c, now)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(direction*cmp.Or(cmp.Compare(a.figure, b.figure), strings.Compare(a.text, b.text)), cmp.Compare(a.Number, b.Number))
	})
	for i, e := range entries {
		list[i] = e.conn
	}
	return nil
}
