package websocket

import (
	"bytes"
	"testing"
	"unicode/utf8"
)

// FuzzDecoder gives a decoder the bytes of a stranger, whole and in pieces: it
// must come to the same end, and neither panic nor exceed its bounds.
func FuzzDecoder(f *testing.F) {
	for _, seed := range []string{"\x81\x80\x00\x00\x00\x00", "\x01\x81\x00\x00\x00\x00a\x80\x81\x00\x00\x00\x00b", "\x88\x82\x00\x00\x00\x00\x03\xe8", "\xc1\x87\x00\x00\x00\x00\xf2\x48\xcd\xc9\xc9\x07\x00", "\x81\xfe\x00\x7e\x00\x00\x00\x00"} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, stream []byte, piece int) {
		const most = 1 << 12
		decode := func(size int) (messages []Message, failed bool) {
			d := Decoder{Masked: true, Max: most, Flate: new(Flate)}
			for rest := stream; len(rest) > 0; {
				part := rest[:min(size, len(rest))]
				rest = rest[len(part):]
				for len(part) > 0 {
					m, n, err := d.Decode(part)
					if err != nil {
						return messages, true
					}
					if part = part[n:]; m.Opcode != Continuation {
						messages = append(messages, m)
					} else if len(part) > 0 {
						t.Fatal("bytes were left, and no message came")
					}
				}
			}
			return messages, false
		}
		whole, failed := decode(max(len(stream), 1))
		parts, failedToo := decode(max(1, piece%64))
		if failed != failedToo || len(whole) != len(parts) {
			t.Fatalf("%d messages as a whole, %d in pieces; failed: %v, %v", len(whole), len(parts), failed, failedToo)
		}
		for i, m := range whole {
			if len(m.Data) > most || m.Opcode == Text && !utf8.Valid(m.Data) || !bytes.Equal(m.Data, parts[i].Data) {
				t.Fatalf("message %d: %d bytes", i, len(m.Data))
			}
		}
	})
}
