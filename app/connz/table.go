package connz

import (
	"bufio"
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

const (
	tableAgent = 48 // characters of it in a table
	tableRooms = 2
)

// writeTable writes the page for a person at a terminal: what is wrong with a
// connection stands in front, what it has carried behind.
func writeTable(out *bufio.Writer, q question, now time.Time, page []*conn, total int) error {
	from := ""
	if q.offset > 0 {
		from = fmt.Sprintf(" from %d on", q.offset)
	}
	_, _ = fmt.Fprintf(out, "%d of %d connections%s, state=%s, sort=%s, at %s\n\n", len(page), total, from, q.state, q.sort, format(now))
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "CID\tID\tADDRESS\tSTATE\tUPTIME\tIDLE\tRTT\tQUEUE\tSKIPPED\tBYTES-OUT\tBYTES-IN\tPKTS-OUT\tPKTS-IN\tTRANSPORT\tROOMS\tAGENT")
	for _, c := range page {
		address := "-"
		if c.Address.IsValid() {
			address = c.Address.String()
		}
		_, _ = fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n",
			c.Number, c.ID, address, c.tableState(now), short(c.uptime(now)), short(c.idle(now)), dash(c.RTT), c.tableQueue(), c.Coalesced,
			size(c.BytesOut), size(c.BytesIn), c.PacketsOut, c.PacketsIn, c.Transport, c.tableRooms(), cmp.Or(clean(c.UserAgent, tableAgent), "-"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "\nMore: ?sort=queue&limit=20&state=open|closed|any&region=&address=&code=&offset=; for jq: &format=json")
	return err
}

func (c *conn) tableState(now time.Time) string {
	if c.Ended.IsZero() {
		return stateOpen
	}
	return fmt.Sprintf("%s %s ago", c.Code, short(max(0, now.Sub(c.Ended))))
}

func (c *conn) tableQueue() string {
	if c.QueueMessages == 0 {
		return "-"
	}
	return fmt.Sprintf("%s in %d", size(uint64(c.QueueBytes)), c.QueueMessages)
}

func (c *conn) tableRooms() string {
	rooms := c.rooms()
	if len(rooms) == 0 {
		return "-"
	}
	var names []string
	for _, room := range rooms[:min(len(rooms), tableRooms)] {
		names = append(names, clean(strings.TrimPrefix(room, "metrics:"), maxName))
	}
	text := strings.Join(names, ",")
	if more := len(rooms) - tableRooms; more > 0 {
		text += fmt.Sprintf(" +%d", more)
	}
	return text
}

func dash(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return short(d)
}

// short writes a time with at most two units.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return cutZero(d.Round(time.Second).String(), "m0s")
	case d < 48*time.Hour:
		return cutZero(cutZero(d.Round(time.Minute).String(), "m0s"), "h0m")
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// cutZero leaves the last unit out where it is zero: "2h0m" is "2h".
func cutZero(text, zero string) string {
	if strings.HasSuffix(text, zero) {
		return text[:len(text)-len(zero)+1]
	}
	return text
}

// size writes a number of bytes with its unit.
func size(n uint64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/1000, 0
	for f >= 999.95 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	return fmt.Sprintf("%.1f %cB", f, units[i])
}
