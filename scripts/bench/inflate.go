package main

import (
	"bytes"
	"hash/maphash"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"
)

// inflater decompresses the messages of all dashboards. Where a server sends
// everyone the same bytes they are decompressed once, so that the load does
// not grow by what only a real client has to do.
type inflater struct {
	seed maphash.Seed

	mu    sync.Mutex
	known map[uint64]known
}

type known struct {
	frame  []byte
	head   head
	update bool
}

func newInflater() *inflater {
	return &inflater{seed: maphash.MakeSeed(), known: make(map[uint64]known)}
}

func (v *inflater) inflate(payload []byte) ([]byte, error) {
	r := flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
	return io.ReadAll(r)
}

// head returns what a compressed message begins with.
func (v *inflater) head(payload []byte) (head, bool, error) {
	sum := maphash.Bytes(v.seed, payload)
	v.mu.Lock()
	defer v.mu.Unlock()
	if k, found := v.known[sum]; found && bytes.Equal(k.frame, payload) {
		return k.head, k.update, nil
	}
	text, err := v.inflate(payload)
	if err != nil {
		return head{}, false, err
	}
	k := known{frame: bytes.Clone(payload)}
	k.head, k.update = parseUpdate(text)
	if len(v.known) >= 256 {
		clear(v.known)
	}
	v.known[sum] = k
	return k.head, k.update, nil
}
