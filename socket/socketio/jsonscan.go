package socketio

import (
	"bytes"
	"encoding/json"
)

// The text that these functions take apart has been checked: what is not valid
// JSON must not come here.

// splitArray splits a JSON array into its elements, which alias it.
func splitArray(array []byte) []json.RawMessage {
	var all []json.RawMessage
	splitTopLevel(array, func(part []byte) { all = append(all, part) })
	return all
}

// splitObject splits a JSON object whose names need no decoding; the values alias
// it. It reports false for anything else.
func splitObject(object []byte) (map[string]json.RawMessage, bool) {
	if len(object) == 0 || object[0] != '{' || bytes.IndexByte(object, '\\') >= 0 {
		return nil, false
	}
	all, plain := make(map[string]json.RawMessage, 4), true
	splitTopLevel(object, func(part []byte) {
		end := 1 + bytes.IndexByte(part[1:], '"')
		name, ok := unescapedString(json.RawMessage(part[:end+1]))
		plain = plain && ok
		_, value, _ := bytes.Cut(part[end+1:], []byte{':'})
		all[name] = bytes.TrimSpace(value)
	})
	return all, plain
}

// splitTopLevel calls found for what stands between the commas of an array or object.
func splitTopLevel(text []byte, found func(part []byte)) {
	text = bytes.TrimSpace(text)
	text = text[1 : len(text)-1]
	start, depth := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case ',':
			if depth == 0 {
				found(bytes.TrimSpace(text[start:i]))
				start = i + 1
			}
		}
	}
	if last := bytes.TrimSpace(text[start:]); len(last) > 0 {
		found(last)
	}
}

// unescapedString returns the text of a JSON string that needs no decoding.
func unescapedString(raw json.RawMessage) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	text := raw[1 : len(raw)-1]
	for _, c := range text {
		if c == '\\' || c >= 0x80 {
			return "", false
		}
	}
	return string(text), true
}

// nestedDeeper reports whether JSON text nests arrays and objects deeper than most.
func nestedDeeper(b []byte, most int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > most {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}
