package boltstore

import (
	"bytes"
	"testing"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// FuzzSealed lets values be damaged: they are told from whole ones, and what is
// in them can be anything without a panic.
func FuzzSealed(f *testing.F) {
	at := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	interval := encodeInterval(store.Interval{From: at, To: at.Add(time.Hour), Until: at, State: store.StateDown, Reason: "TIMEOUT", Polls: 60, Failures: 60, Latency: []byte{1, 2, 3}})
	f.Add([]byte("acme\x00us-east\x0012345678"), interval, 3, byte(1))
	f.Add([]byte("acme"), encodeLedger(store.Ledger{Term: 3, Version: 9, Data: []byte(`{}`)}), 4, byte(1))
	f.Add(noteKey(store.RecordIncident, "acme", "i1"), encodeNote(store.Record{At: at, Version: 2, Data: []byte(`{}`)}), 5, byte(1))
	f.Add([]byte("acme\x00us-east"), []byte{2, 4, 6, 8}, 0, byte(0x80))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 1}, []byte{}, 1, byte(255))
	f.Add([]byte{255, 255, 255, 255}, []byte("0"), 42, byte('Z')) // leaves a plain CRC that a zero does not change
	f.Fuzz(func(t *testing.T, key, content []byte, at int, with byte) {
		for k := range pastBuckets() {
			value := seal(k, key, 7, content)
			version, got, err := unseal(k, key, value)
			if err != nil || version != 7 || !bytes.Equal(got, content) {
				t.Fatal(version, got, err)
			}
			readable(k, key, value, content)
			decodeRegion(content)
			decodeFields(content)
			if _, _, err := unseal(k, append(key[:len(key):len(key)], 0), value); err == nil {
				t.Fatal("it stands under another key")
			}
			if with != 0 {
				value[uint(at)%uint(len(value))] ^= with
				if _, _, err := unseal(k, key, value); err == nil {
					t.Fatal("the damage was not noticed")
				}
			}
		}
	})
}
