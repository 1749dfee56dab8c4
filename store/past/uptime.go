package past

import (
	"context"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/store/jsjson"
	"github.com/devops-insights/devops-insights/store/outcome"
)

// UptimeQuestion asks how long regions were up.
type UptimeQuestion struct {
	API     string
	Sources []string
	// Window is the range: a duration before now, or two times with two dots
	// between them. Empty: 24h.
	Window string
}

// DefaultWindow is the window where none is asked for.
const DefaultWindow = "24h"

// windowAllowed says how a window is written.
const windowAllowed = "allowed is a duration before now such as 24h, 7d, 30d, 90d or 365d, or two times such as 2026-11-01T00:00:00Z..2026-12-01T00:00:00Z, each as in RFC 3339 or in seconds since 1970"

// ParseWindow returns the range that a window stands for.
func ParseWindow(window string, now time.Time) (from, to time.Time, err error) {
	wrong := &ParamError{Param: "window", Value: window, Reason: windowAllowed}
	if first, second, ok := strings.Cut(window, ".."); ok {
		from, ok1 := ParseTime(first)
		to, ok2 := ParseTime(second)
		switch {
		case !ok1 || !ok2:
			return from, to, wrong
		case !from.Before(to):
			return from, to, &ParamError{Param: "window", Value: window, Reason: "its first time has to be before the second"}
		}
		return from, to, nil
	}
	length, ok := ParseDuration(window)
	if !ok {
		return from, to, wrong
	}
	to = now.UTC().Truncate(time.Millisecond)
	return to.Add(-length), to, nil
}

// Uptime answers an UptimeQuestion. What the asker did wrong is a *ParamError.
func Uptime(ctx context.Context, r Reader, q UptimeQuestion, now time.Time) (UptimeAnswer, error) {
	if q.Window == "" {
		q.Window = DefaultWindow
	}
	from, to, err := ParseWindow(q.Window, now)
	if err != nil {
		return UptimeAnswer{}, err
	}
	a := UptimeAnswer{Question: q, From: from, To: to, Regions: make([]outcome.Uptime, len(q.Sources))}
	for i, source := range q.Sources {
		if a.Regions[i], err = outcome.Measure(ctx, r, q.API, source, from, to, now); err != nil {
			return UptimeAnswer{}, err
		}
	}
	return a, nil
}

// UptimeAnswer tells of each region that was asked for.
type UptimeAnswer struct {
	Question UptimeQuestion
	From, To time.Time
	Regions  []outcome.Uptime // in the order of the question's Sources
}

// AppendJSON appends the answer as a JSON object.
func (a UptimeAnswer) AppendJSON(b []byte) []byte {
	b = jsjson.AppendString(append(b, `{"api":`...), a.Question.API)
	b = jsjson.AppendString(append(b, `,"window":`...), a.Question.Window)
	b = jsjson.AppendTime(append(b, `,"from":`...), a.From)
	b = jsjson.AppendTime(append(b, `,"to":`...), a.To)
	b = append(b, `,"regions":[`...)
	for i, u := range a.Regions {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendUptime(jsjson.AppendString(append(b, `{"source":`...), a.Question.Sources[i]), u)
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

// AppendUptime appends the members of a region's uptime to an object that has
// begun.
func AppendUptime(b []byte, u outcome.Uptime) []byte {
	b = append(b, `,"firstPoll":`...)
	if u.FirstPoll.IsZero() {
		b = append(b, "null"...)
	} else {
		b = jsjson.AppendTime(b, u.FirstPoll)
	}
	b = appendDate(append(b, `,"from":`...), u.From, u.From.Before(u.To))
	b = appendDate(append(b, `,"to":`...), u.To, u.From.Before(u.To))
	up, watched := u.Ratio()
	b = appendPercent(append(b, `,"uptime":`...), up, watched)
	available, _ := u.Available()
	b = appendPercent(append(b, `,"available":`...), available, watched)
	share, measured := Watched(u)
	b = appendPercent(append(b, `,"watched":`...), share, measured)
	b = jsjson.AppendNumber(append(b, `,"upSeconds":`...), Seconds(u.Up))
	b = jsjson.AppendNumber(append(b, `,"degradedSeconds":`...), Seconds(u.Degraded))
	b = jsjson.AppendNumber(append(b, `,"downSeconds":`...), Seconds(u.Down))
	b = jsjson.AppendNumber(append(b, `,"unknownSeconds":`...), Seconds(u.Unknown))
	b = jsjson.AppendNumber(append(b, `,"degradedMinutes":`...), u.Degraded.Minutes())
	b = jsjson.AppendNumber(append(b, `,"downMinutes":`...), u.Down.Minutes())
	b = jsjson.AppendNumber(append(b, `,"incidentCount":`...), float64(u.Count))
	b = jsjson.AppendNumber(append(b, `,"longestSeconds":`...), Seconds(u.Longest))
	b = appendMean(append(b, `,"mttrSeconds":`...), u.MTTR, u.Ended)
	b = appendMean(append(b, `,"mtbfSeconds":`...), u.MTBF, u.Count)
	b = append(b, `,"incidents":[`...)
	for i, in := range u.Incidents {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsjson.AppendTime(append(b, `{"from":`...), in.From)
		b = appendDate(append(b, `,"to":`...), in.To, !in.Open)
		b = jsjson.AppendString(append(b, `,"reason":`...), strings.Join(in.Reasons, ", "))
		b = jsjson.AppendNumber(append(b, `,"downSeconds":`...), Seconds(in.Down))
		b = append(b, '}')
	}
	return append(b, ']')
}

// Watched returns the share of the measured time that was watched; false where no
// time was measured.
func Watched(u outcome.Uptime) (share float64, ok bool) {
	whole := u.Watched() + u.Unknown
	if whole <= 0 {
		return 0, false
	}
	return float64(u.Watched()) / float64(whole), true
}

func appendDate(b []byte, t time.Time, known bool) []byte {
	if !known {
		return append(b, "null"...)
	}
	return jsjson.AppendTime(b, t)
}

func appendPercent(b []byte, share float64, known bool) []byte {
	if !known {
		return append(b, "null"...)
	}
	return jsjson.AppendNumber(b, Percent(share))
}

// Percent returns a share as a number from 0 to 100, of at most six digits behind
// the point; what is less than all is less than 100.
func Percent(share float64) float64 {
	const digits = 1e6
	n := float64(int64(share*100*digits + 0.5))
	if share < 1 {
		n = min(n, 100*digits-1)
	}
	if share > 0 {
		n = max(n, 1)
	}
	return n / digits
}

// appendMean appends a mean of a number of things; there is none of nothing.
func appendMean(b []byte, mean time.Duration, of int) []byte {
	if of == 0 {
		return append(b, "null"...)
	}
	return jsjson.AppendNumber(b, Seconds(mean))
}

// Seconds returns a length of time in seconds, as the number that is written with
// no more digits than it has.
func Seconds(d time.Duration) float64 { return float64(d) / float64(time.Second) }
