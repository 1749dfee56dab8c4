package socketio

import (
	"bytes"
	"encoding/json"
)

// elements splits a JSON array into its elements, which alias it. The text has
// been checked: what is not valid JSON must not come here.
func elements(array []byte) []json.RawMessage {
	array = bytes.TrimSpace(array)
	array = array[1 : len(array)-1]
	var all []json.RawMessage
	start, depth := 0, 0
	for i := 0; i < len(array); i++ {
		switch array[i] {
		case '"':
			for i++; array[i] != '"'; i++ {
				if array[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case ',':
			if depth == 0 {
				all = append(all, bytes.TrimSpace(array[start:i]))
				start = i + 1
			}
		}
	}
	if last := bytes.TrimSpace(array[start:]); len(last) > 0 {
		all = append(all, last)
	}
	return all
}

// plainText returns the text of a JSON string that needs no decoding.
func plainText(raw json.RawMessage) (string, bool) {
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
