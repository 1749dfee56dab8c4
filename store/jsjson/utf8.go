package jsjson

import "unicode/utf8"

const replacement = "\ufffd"

// Valid returns text with every byte sequence that is not UTF-8 replaced by
// U+FFFD, as fetch, axios and Buffer.toString do it: one for each sequence that
// is cut off, one for each byte that cannot stand where it does. Text that is
// UTF-8 is returned as it is, not copied. JSON text stays JSON text: such bytes
// stand within its strings.
func Valid(text []byte) []byte {
	if utf8.Valid(text) {
		return text
	}
	out := make([]byte, 0, len(text)+len(text)/8)
	done := 0 // what stands before is written
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			i++
			continue
		}
		size, ok := sequence(text, i)
		if !ok {
			out = append(append(out, text[done:i]...), replacement...)
			done = i + size
		}
		i += size
	}
	return append(out, text[done:]...)
}

// sequence returns the length of the UTF-8 sequence that begins at i, which is
// no ASCII, and whether it is complete and allowed; if not, the length of what
// one U+FFFD stands for: the longest beginning of an allowed sequence.
func sequence[T string | []byte](s T, i int) (size int, ok bool) {
	low, high := byte(0x80), byte(0xbf) // of the second byte
	var want int
	switch c := s[i]; {
	case c >= 0xc2 && c <= 0xdf:
		want = 2
	case c >= 0xe0 && c <= 0xef:
		want = 3
		if c == 0xe0 {
			low = 0xa0 // less is an overlong form
		} else if c == 0xed {
			high = 0x9f // more is a surrogate
		}
	case c >= 0xf0 && c <= 0xf4:
		want = 4
		if c == 0xf0 {
			low = 0x90
		} else if c == 0xf4 {
			high = 0x8f
		}
	default:
		return 1, false
	}
	for size = 1; size < want; size++ {
		if i+size >= len(s) || s[i+size] < low || s[i+size] > high {
			return size, false
		}
		low, high = 0x80, 0xbf
	}
	return want, true
}
