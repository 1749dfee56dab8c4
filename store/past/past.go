// Package past answers questions about the past of regions: a series of one field,
// and how long a region was up. The answers are JSON, the same over HTTP and as
// events of dashboards, and so are the questions' defaults and bounds.
package past

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/rollup"
)

// Reader reads what a store keeps of the past.
type Reader interface {
	rollup.Reader
	LastOutcome(ctx context.Context, api, source string) (store.Interval, error)
}

// ParamError tells what is wrong about a question.
type ParamError struct {
	// Param is the part of the question.
	Param string
	// Value is what was asked for; empty where it is missing, or not one part alone
	// is wrong.
	Value string
	// Reason says what is allowed.
	Reason string
}

// Error implements error with a sentence.
func (e *ParamError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("The parameter %q cannot be used: %s", e.Param, e.Reason)
	}
	return fmt.Sprintf("The parameter %q is %s: %s", e.Param, Short(e.Value), e.Reason)
}

// Short returns a text in quotes, cut so that it can stand in a sentence.
func Short(text string) string {
	const most = 80
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return strconv.Quote(text)
}

var (
	durations = regexp.MustCompile(`^(?:(\d{1,9})y)?(?:(\d{1,9})w)?(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?$`)
	number    = regexp.MustCompile(`^\d{1,10}(\.\d{1,9})?$`)
)

// Longest bounds durations.
const Longest = 200 * 365 * day

const day = 24 * time.Hour

// ParseDuration reads a duration as Prometheus has it: 30s, 1d12h, or a number of
// seconds. It is positive and of whole milliseconds.
func ParseDuration(text string) (time.Duration, bool) {
	if number.MatchString(text) {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f > Longest.Seconds() {
			return 0, false
		}
		d := time.Duration(math.Round(f*1000)) * time.Millisecond
		return d, d > 0
	}
	parts := durations.FindStringSubmatch(text)
	if parts == nil {
		return 0, false
	}
	var sum time.Duration
	for i, unit := range []time.Duration{365 * day, 7 * day, day, time.Hour, time.Minute, time.Second, time.Millisecond} {
		if parts[i+1] == "" {
			continue
		}
		n, err := strconv.ParseInt(parts[i+1], 10, 64)
		if err != nil || n > int64(Longest/unit) {
			return 0, false
		}
		if sum += time.Duration(n) * unit; sum > Longest {
			return 0, false
		}
	}
	return sum, sum > 0
}

// DurationAllowed says how a duration is written.
const DurationAllowed = "allowed is a duration such as 30s, 5m or 1d12h (units from large to small: y, w, d, h, m, s, ms), or a number of seconds, from 0.001 on"

var seconds = regexp.MustCompile(`^-?\d{1,12}(\.\d{1,9})?$`)

// ParseTime reads RFC 3339 and seconds since 1970, in the years from 1 to 9999, in
// whole milliseconds.
func ParseTime(text string) (t time.Time, ok bool) {
	switch {
	case len(text) > 64:
		return t, false
	case seconds.MatchString(text):
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return t, false
		}
		t = time.UnixMilli(int64(math.Round(f * 1000))).UTC()
	default:
		// A plus sign that was not escaped comes as a space.
		if at := len(text) - len(" 01:00"); at > 0 && text[at] == ' ' {
			text = text[:at] + "+" + text[at+1:]
		}
		var err error
		if t, err = time.Parse(time.RFC3339, upper(text)); err != nil {
			return t, false
		}
		t = t.UTC().Truncate(time.Millisecond)
	}
	return t, inYears(t)
}

// inYears reports whether a time can be told in an answer.
func inYears(t time.Time) bool { return !t.IsZero() && t.Year() >= 1 && t.Year() <= 9999 }

// upper turns the letters of a time into those that time.Parse takes.
func upper(text string) string {
	b := []byte(text)
	for i, c := range b {
		if c == 't' || c == 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// TimeAllowed says how a time is written.
const TimeAllowed = "allowed is a time as in RFC 3339, such as 2026-11-25T10:00:00Z, or seconds since 1970, such as 1795600800.5"
