package socket

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// request is the first argument of a client's event, read as JavaScript would
// destructure it: whatever is not an object has no members.
type request map[string]json.RawMessage

var errNotString = errors.New("source is not a string")

// source returns the member "source": empty when JavaScript would call it
// falsy, an error when it is anything but a string.
func (r request) source() (string, error) {
	if name, ok := r.region(); ok {
		return name, nil
	}
	var v any
	if raw := r["source"]; raw != nil && json.Unmarshal(raw, &v) != nil {
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

// region returns a source that is written as the regions are.
func (r request) region() (string, bool) {
	raw := r["source"]
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	name := raw[1 : len(raw)-1]
	for _, c := range name {
		if c != '-' && (c < 'a' || c > 'z') {
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

var errDate = errors.New("not a date: ISO 8601 text or milliseconds since 1970 are")

// farthest is the largest time value of JavaScript, in milliseconds.
const farthest = 8.64e15

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
		return parseDate(t)
	}
	return time.Time{}, errDate
}

func parseDate(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range [...]string{
		time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006",
		"2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04:05",
		time.RFC1123, time.RFC1123Z, "Jan 2, 2006", "2 Jan 2006", "01/02/2006", "2006/01/02",
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errDate
}
