package transfer

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Range is a time from From, which is part of it, to To, which is not. The zero
// time is no bound.
type Range struct{ From, To time.Time }

// ParseRange reads the two ends of a range; empty is no bound. An end is a time
// (RFC 3339, in UTC where it has no zone), a date, a month, seconds since 1970,
// or how long ago, such as "24h ago". A date or a month as the second end is
// part of the range, all of it.
func ParseRange(from, to string, now time.Time) (r Range, err error) {
	if r.From, _, err = parseEnd(from, now); err != nil {
		return r, fmt.Errorf("--from=%q cannot be used: %w", from, err)
	}
	if _, r.To, err = parseEnd(to, now); err != nil {
		return r, fmt.Errorf("--to=%q cannot be used: %w", to, err)
	}
	if !r.From.IsZero() && !r.To.IsZero() && !r.From.Before(r.To) {
		return r, fmt.Errorf("--from=%q is not before --to=%q", from, to)
	}
	return r, nil
}

// errEnd says how an end of a range is written.
var errEnd = fmt.Errorf("a time such as 2026-11-25T10:00:00Z, a date such as 2026-11-25, a month such as 2026-11, or a duration such as \"24h ago\" or \"7d ago\" is expected")

// parseEnd returns the time that a text begins with, and the one before which it
// ends: the same for a moment, later for a date and a month.
func parseEnd(text string, now time.Time) (begin, end time.Time, err error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return begin, end, nil
	}
	if t, err := time.Parse("2006-01-02", text); err == nil {
		return t, t.AddDate(0, 0, 1), nil
	}
	if t, err := time.Parse("2006-01", text); err == nil {
		return t, t.AddDate(0, 1, 0), nil
	}
	t, err := parseMoment(text, now)
	return t, t, err
}

func parseMoment(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		// A space in place of the T is what people write.
		if t, err := time.Parse(layout, strings.Replace(strings.ToUpper(text), " ", "T", 1)); err == nil {
			return t.UTC(), nil
		}
	}
	if strings.EqualFold(text, "now") {
		return now.UTC(), nil
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil && seconds >= 1e8 && seconds < 1e11 {
		return time.Unix(seconds, 0).UTC(), nil
	}
	age, found := strings.CutSuffix(strings.ToLower(text), "ago")
	if d, ok := parseAge(age); ok && found {
		return now.Add(-d).UTC(), nil
	}
	return time.Time{}, errEnd
}

var ages = regexp.MustCompile(`^(\d+(?:\.\d+)?)\s*(weeks?|days?|hours?|minutes?|min|seconds?|sec|w|d|h|m|s)\s*`)

// parseAge reads durations with days and weeks, one behind the other.
func parseAge(text string) (sum time.Duration, ok bool) {
	text = strings.TrimSpace(text)
	for text != "" {
		part := ages.FindStringSubmatch(text)
		if part == nil {
			return 0, false
		}
		n, err := strconv.ParseFloat(part[1], 64)
		unit := map[byte]time.Duration{'w': 7 * 24 * time.Hour, 'd': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute, 's': time.Second}[part[2][0]]
		if err != nil || n*float64(unit) > float64(200*365*24*time.Hour) {
			return 0, false
		}
		sum += time.Duration(n * float64(unit))
		text, ok = text[len(part[0]):], true
	}
	return sum, ok
}
