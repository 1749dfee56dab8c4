package main

import (
	"bytes"
	"slices"
	"strconv"
	"time"
)

// tally is what one dashboard has received. Only its own goroutine touches it
// until the run is over.
type tally struct {
	last      []int64 // number of the last value of each region
	latencies []uint32
	bytes     int64
	delivered int64
	lost      int64
	twice     int64
	unordered int64
}

// begin forgets what came before the measured time.
func (t *tally) begin(last []int64) { *t = tally{last: slices.Clone(last)} }

// head is what counts of an update.
type head struct {
	region int
	number int64
	stamp  int64 // microseconds
}

// parseUpdate reads the beginning of a metrics-update packet.
func parseUpdate(packet []byte) (head, bool) {
	if !bytes.HasPrefix(packet, []byte(`42["metrics-update"`)) {
		return head{}, false
	}
	// The beginning has it in every server's spelling; one that sorts the keys
	// has it later.
	h := head{region: slices.Index(regions(), string(between(packet, `"source":"`, '"')))}
	var err1, err2 error
	h.number, err1 = strconv.ParseInt(string(between(packet, `"seq":`, ',', '}')), 10, 64)
	h.stamp, err2 = strconv.ParseInt(string(between(packet, `"stamp":`, ',', '}')), 10, 64)
	return h, h.region >= 0 && err1 == nil && err2 == nil
}

func between(b []byte, before string, after ...byte) []byte {
	i := bytes.Index(b, []byte(before))
	if i < 0 {
		return nil
	}
	b = b[i+len(before):]
	j := bytes.IndexAny(b, string(after))
	return b[:max(j, 0)]
}

func (t *tally) add(h head, now time.Time) {
	t.delivered++
	if stamp := now.UnixMicro() - h.stamp; len(t.last) > 0 {
		t.latencies = append(t.latencies, uint32(max(stamp, 0)))
		switch last := t.last[h.region]; {
		case h.number == last:
			t.twice++
			return
		case h.number < last:
			t.unordered++
			return
		default:
			t.lost += h.number - last - 1
		}
		t.last[h.region] = h.number
	}
}
