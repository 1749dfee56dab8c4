// Package jsjson writes JSON text as JavaScript's JSON.stringify does: strings,
// dates and numbers come out byte for byte as from a Node backend. It knows
// nothing of what is written.
package jsjson

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AppendString appends s in quotes. Only what JSON must escape is escaped: <, >,
// &, U+2028 and all letters stay. Bytes that are not UTF-8 become U+FFFD, see
// Valid.
func AppendString[T string | []byte](b []byte, s T) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	done := 0 // what stands before is written
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x80 {
			size, ok := sequence(s, i)
			if !ok {
				b = append(append(b, s[done:i]...), replacement...)
				done = i + size
			}
			i += size
			continue
		}
		i++
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[done:i-1]...)
		done = i
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(b, s[done:]...), '"')
}

// TimeFormat is the layout of Date.prototype.toISOString for the years from 0 to
// 9999; AppendTime writes all others too.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// latestDate is the greatest time of a JavaScript Date in milliseconds; the
// least one is its negative.
const latestDate = 8_640_000_000_000_000

// AppendTime appends what Date.prototype.toJSON makes of t: ISO 8601 in UTC with
// milliseconds, in quotes.
func AppendTime(b []byte, t time.Time) []byte {
	if seconds := t.Unix(); seconds > latestDate/1000 || seconds < -latestDate/1000 {
		return append(b, "null"...) // and perhaps too far away for milliseconds
	}
	return AppendDate(b, t.UnixMilli())
}

// AppendDate appends a time in milliseconds since 1970 as AppendTime does. What
// no Date can hold is null.
func AppendDate(b []byte, milliseconds int64) []byte {
	if milliseconds > latestDate || milliseconds < -latestDate {
		return append(b, "null"...)
	}
	t := time.UnixMilli(milliseconds).UTC()
	b = append(b, '"')
	switch year := t.Year(); {
	case year >= 0 && year <= 9999:
		return append(t.AppendFormat(b, TimeFormat), '"')
	case year < 0:
		b = appendYear(append(b, '-'), -year)
	default:
		b = appendYear(append(b, '+'), year)
	}
	return append(t.AppendFormat(b, TimeFormat[len("2006"):]), '"')
}

// appendYear appends a year in six digits.
func appendYear(b []byte, year int) []byte {
	digits := strconv.Itoa(year)
	return append(append(b, "000000"[len(digits):]...), digits...)
}

// AppendNumber appends a number as Number.prototype.toString writes it; NaN and
// the infinities are null, and -0 is 0.
func AppendNumber(b []byte, f float64) []byte {
	switch a := math.Abs(f); {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return append(b, "null"...)
	case f == 0:
		return append(b, '0')
	case a >= 1e-6 && a < 1e21:
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	text := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(text, "e")
	b = append(append(b, mantissa...), 'e', exponent[0])
	return append(b, strings.TrimLeft(exponent[1:], "0")...)
}

// Marshal returns the JSON text of v, compact and with strings as AppendString
// has them. The keys of maps are sorted, as encoding/json does. A
// json.RawMessage stays as it is, without white space; where it is not UTF-8 it
// is mended as Valid does.
func Marshal(v any) ([]byte, error) {
	return appendValue(nil, v)
}

func appendValue(b []byte, v any) ([]byte, error) {
	switch t := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return AppendString(b, t), nil
	case bool:
		return strconv.AppendBool(b, t), nil
	case int:
		return strconv.AppendInt(b, int64(t), 10), nil
	case float64:
		return AppendNumber(b, t), nil
	case json.RawMessage:
		text, err := encode(t)
		return append(b, Valid(text)...), err
	case []any:
		return appendArray(b, t)
	case map[string]any:
		return appendObject(b, t)
	}
	text, err := encode(v)
	return append(b, unescape(Valid(text))...), err
}

func appendArray(b []byte, list []any) (_ []byte, err error) {
	if list == nil {
		return append(b, "null"...), nil
	}
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendValue(b, v); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func appendObject(b []byte, members map[string]any) (_ []byte, err error) {
	if members == nil {
		return append(b, "null"...), nil
	}
	keys := make([]string, 0, len(members))
	for key := range members {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	b = append(b, '{')
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendValue(append(AppendString(b, key), ':'), members[key]); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// encode is encoding/json without the escapes for HTML.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte{'\n'}), nil
}

// unescape writes out the letters that encoding/json always escapes and
// JavaScript does not.
func unescape(text []byte) []byte {
	if !bytes.Contains(text, []byte(`\u2028`)) && !bytes.Contains(text, []byte(`\u2029`)) && !bytes.Contains(text, []byte(`\ufffd`)) {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			out = append(out, text[i])
			continue
		}
		letter, size := "", 2 // an escape has a second letter
		if i+6 <= len(text) {
			switch string(text[i : i+6]) {
			case `\u2028`:
				letter, size = "\u2028", 6
			case `\u2029`:
				letter, size = "\u2029", 6
			case `\ufffd`:
				letter, size = "\ufffd", 6
			}
		}
		if letter == "" {
			letter = string(text[i : i+size])
		}
		out = append(out, letter...)
		i += size - 1
	}
	return out
}
