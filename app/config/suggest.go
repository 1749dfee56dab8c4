package config

import (
	"maps"
	"slices"
	"strings"
)

// ours are beginnings that only this program's settings have.
var ours = []string{"UPSTREAM_", "POLL_", "HISTORY_", "ROLLUP_", "DRAIN_"}

// notOurs are well-known names of others that are close to one of ours.
var notOurs = []string{"REDIS_PORT", "LOG_FILE", "LOG_DIR", "DATA_DIRS"}

// suggest warns of variables that are no settings but look like one.
func (d *declaration) suggest(v *variables, r *report) {
	known := []string{"CONFIG_FILE"}
	for _, s := range d.settings {
		known = append(known, s.env...)
		if s.redact != nil {
			known = append(known, s.env[0]+"_FILE")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.values)) {
		if slices.Contains(known, name) || slices.Contains(notOurs, name) || strings.HasPrefix(name, headerPrefix) || strings.HasPrefix(name, "OTEL_") {
			continue
		}
		if stem, ok := strings.CutSuffix(name, "_FILE"); ok && slices.Contains(known, stem) {
			r.warn("%s is not used: only secrets are read from files of their own; set %s", name, stem)
			continue
		}
		near, far := nearest(name, known)
		isOurs := slices.ContainsFunc(ours, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		if isOurs || far <= tolerance(name) {
			r.warn("%s is no setting and is not used: is %s meant?", name, near)
		}
	}
}

// tolerance is how many slips of the hand a name may be away from a setting.
// Short names are close to each other by nature, and names in lower case belong
// to others.
func tolerance(name string) int {
	switch {
	case name != strings.ToUpper(name) || len(name) < 7:
		return -1
	case len(name) < 9:
		return 1
	}
	return 2
}

// nearest returns the known name that takes the fewest slips, and their number.
// Of several the one that has the most words of the name counts.
func nearest(name string, known []string) (near string, slips int) {
	slips, most := 1<<30, 0
	for _, k := range known {
		n, words := distance(name, k), sharedWords(name, k)
		if n < slips || n == slips && words > most {
			near, slips, most = k, n, words
		}
	}
	return near, slips
}

func sharedWords(a, b string) (n int) {
	words := strings.Split(b, "_")
	for word := range strings.SplitSeq(a, "_") {
		if slices.Contains(words, word) {
			n++
		}
	}
	return n
}

// distance counts the letters that are missing, too many, wrong, or swapped
// with their neighbour.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			wrong := 1
			if a[i-1] == b[j-1] {
				wrong = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+wrong)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
