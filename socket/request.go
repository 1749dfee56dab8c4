package socket

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/store/past"
)

// request is the first argument of a client's event, read as JavaScript would
// destructure it: whatever is not an object has no members.
type request map[string]json.RawMessage

var errNotString = errors.New("a name is a string")

// name returns a member that names a region or an API: empty when JavaScript would
// call it falsy, an error when it is anything but a string.
func (r request) name(member string) (string, error) {
	if name, ok := r.plain(member); ok {
		return name, nil
	}
	var v any
	if raw := r[member]; raw != nil && json.Unmarshal(raw, &v) != nil {
		return "", errNotString
	}
	switch t := v.(type) {
	case nil:
		return "", nil
	case string:
		return t, nil
	case bool:
		if !t {
			return "", nil
		}
	case float64:
		if t == 0 {
			return "", nil
		}
	}
	return "", errNotString
}

// plain returns a name that is written as most are, without decoding it.
func (r request) plain(member string) (string, bool) {
	raw := r[member]
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	name := raw[1 : len(raw)-1]
	for _, c := range name {
		if c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return "", false
		}
	}
	return string(name), true
}

// limit returns the member "limit" within 1 and most; def where it is missing,
// zero or not a number. A negative one counts as its absolute value, as
// MongoDB has it.
func (r request) limit(def, most int) int {
	var v any
	if raw := r["limit"]; raw == nil || json.Unmarshal(raw, &v) != nil {
		return min(def, most)
	}
	n := math.NaN()
	switch t := v.(type) {
	case float64:
		n = t
	case bool:
		if t {
			n = 1
		}
	case string:
		if f, err := strconv.ParseFloat(strings.TrimSpace(t), 64); err == nil || errors.Is(err, strconv.ErrRange) {
			n = f
		}
	}
	n = math.Abs(math.Trunc(n))
	if math.IsNaN(n) || n == 0 {
		return min(def, most)
	}
	return int(math.Min(n, float64(most)))
}

// time returns a date member; the zero time where it is missing or falsy.
func (r request) time(name string) (time.Time, error) {
	var v any
	if raw := r[name]; raw != nil && json.Unmarshal(raw, &v) != nil {
		return time.Time{}, errDate
	}
	switch t := v.(type) {
	case nil:
		return time.Time{}, nil
	case float64:
		if math.Abs(t) > farthest {
			return time.Time{}, errDate
		}
		if t == 0 {
			return time.Time{}, nil
		}
		return time.UnixMilli(int64(t)).UTC(), nil
	case bool:
		if !t {
			return time.Time{}, nil
		}
		return time.UnixMilli(1).UTC(), nil
	case string:
		if t == "" {
			return time.Time{}, nil
		}
		return parseDate(t, time.Local)
	}
	return time.Time{}, errDate
}

// date returns a date member as time does, and says which one is wrong.
func (r request) date(name string) (time.Time, error) {
	t, err := r.time(name)
	if err != nil {
		return t, &past.ParamError{Param: name, Value: r.start(name), Reason: "allowed is what JavaScript's new Date(text) takes, or milliseconds since 1970"}
	}
	return t, nil
}

// start returns the first part of a member as it was written.
func (r request) start(name string) string { return string(r[name][:min(len(r[name]), 100)]) }

// text returns a member that is a text; empty where it is missing, null or empty.
func (r request) text(name string) (string, error) {
	raw := r[name]
	if raw == nil {
		return "", nil
	}
	var v any
	switch _ = json.Unmarshal(raw, &v); t := v.(type) {
	case nil:
		return "", nil
	case string:
		return t, nil
	}
	return "", &past.ParamError{Param: name, Value: r.start(name), Reason: "a text is expected"}
}

// duration returns a member that is a duration as text or a number of seconds; zero
// where it is missing, null or empty.
func (r request) duration(name string) (time.Duration, error) {
	raw := r[name]
	if raw == nil {
		return 0, nil
	}
	var v any
	switch _ = json.Unmarshal(raw, &v); t := v.(type) {
	case nil:
		return 0, nil
	case string:
		if d, ok := past.ParseDuration(t); ok || t == "" {
			return d, nil
		}
	case float64:
		if t > 0 && t <= past.Longest.Seconds() {
			if d := time.Duration(math.Round(t*1000)) * time.Millisecond; d > 0 {
				return d, nil
			}
		}
	}
	return 0, &past.ParamError{Param: name, Value: r.start(name), Reason: past.DurationAllowed}
}

// flag returns a member that is true or false; def where it is missing or null.
func (r request) flag(name string, def bool) (bool, error) {
	switch string(r[name]) {
	case "", "null":
		return def, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return def, &past.ParamError{Param: name, Value: r.start(name), Reason: "allowed are true and false"}
}
