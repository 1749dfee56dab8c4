package transfer

import (
	"bytes"
	"encoding/json"

	"github.com/devops-insights/devops-insights/store/fieldpath"
)

// fields goes through the numbers of a value.
type fields struct {
	path []byte
	each func(path, number []byte)
}

// numbers calls each for every number in the objects of a value, at any depth,
// with its path. What stands in arrays is left out. path and number are valid
// during the call only.
func numbers(value json.RawMessage, each func(path, number []byte)) {
	f := fields{each: each}
	if text := bytes.TrimLeft(value, " \t\r\n"); len(text) > 0 && text[0] == '{' && json.Valid(text) {
		f.value(text)
	}
}

// value goes through one value of valid JSON and returns what follows it.
func (f *fields) value(text []byte) []byte {
	switch text[0] {
	case '{':
		return f.object(text[1:])
	case '[':
		return skipArray(text)
	case '"':
		return text[stringLength(text):]
	}
	n := 0
	for n < len(text) && !isEnd(text[n]) {
		n++
	}
	if c := text[0]; c == '-' || c >= '0' && c <= '9' {
		f.each(f.path, text[:n])
	}
	return text[n:]
}

func (f *fields) object(text []byte) []byte {
	before := len(f.path)
	for {
		text = bytes.TrimLeft(text, " \t\r\n,")
		if text[0] == '}' {
			return text[1:]
		}
		n := stringLength(text)
		f.path = fieldpath.Append(f.path, name(text[:n]))
		text = bytes.TrimLeft(text[n:], " \t\r\n:")
		text = f.value(text)
		f.path = f.path[:before]
	}
}

// name returns the name that stands in quotes.
func name(quoted []byte) []byte {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') >= 0 {
		var text string
		if json.Unmarshal(quoted, &text) == nil {
			return []byte(text)
		}
	}
	return inner
}

// skipArray returns what follows an array of valid JSON.
func skipArray(text []byte) []byte {
	depth := 0
	for {
		switch text[0] {
		case '"':
			text = text[stringLength(text):]
			continue
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return text[1:]
			}
		}
		text = text[1:]
	}
}

// stringLength is the length of a text in quotes.
func stringLength(text []byte) int {
	for n := 1; ; n++ {
		switch text[n] {
		case '\\':
			n++
		case '"':
			return n + 1
		}
	}
}

func isEnd(c byte) bool {
	return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\t' || c == '\r' || c == '\n'
}
