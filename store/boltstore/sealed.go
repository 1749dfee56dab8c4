package boltstore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	bolt "go.etcd.io/bbolt"
)

// kind is the first byte of a sealed value.
type kind byte

const (
	kindInterval kind = 'i'
	kindRegion   kind = 'r'
	kindFields   kind = 'f'
	kindSeries   kind = 's'
	kindChunk    kind = 'c'
	kindSizes    kind = 'z'
	kindLedger   kind = 'l'
	kindNote     kind = 'n' // a record of alerting
)

// sealedHead is the length of a sealed value before its version.
const sealedHead = 1 + crc32.Size

// A sealed value says what it is, and whether it is whole and stands under its
// own key, so that Repair finds it without a tree: kind, checksum of key and
// value, version, content. Of two with one key the higher version is the newer.
func seal(k kind, key []byte, version uint64, content []byte) []byte {
	b := make([]byte, sealedHead, sealedHead+binary.MaxVarintLen64+len(content))
	b[0] = byte(k)
	b = append(binary.AppendUvarint(b, version), content...)
	binary.BigEndian.PutUint32(b[1:], checksum(key, b[:1], b[sealedHead:]))
	return b
}

// unseal returns the content, in the memory of value.
func unseal(k kind, key, value []byte) (version uint64, content []byte, err error) {
	if len(value) <= sealedHead || value[0] != byte(k) || binary.BigEndian.Uint32(value[1:]) != checksum(key, value[:1], value[sealedHead:]) {
		return 0, nil, fmt.Errorf("a damaged value of %d bytes under the key %q", len(value), key)
	}
	version, n := binary.Uvarint(value[sealedHead:])
	if n <= 0 {
		return 0, nil, fmt.Errorf("a damaged value of %d bytes under the key %q", len(value), key)
	}
	return version, value[sealedHead+n:], nil
}

// checksum begins with the length of the key: a sum of the bytes alone does not
// tell where the key ends, and does not see each zero behind some keys.
func checksum(key []byte, of ...[]byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, binary.BigEndian.AppendUint32(nil, uint32(len(key))))
	sum = crc32.Update(sum, table, key)
	for _, part := range of {
		sum = crc32.Update(sum, table, part)
	}
	return sum
}

// putSealed stores a value with the next version of its bucket.
func putSealed(b *bolt.Bucket, k kind, key, content []byte) error {
	version, err := b.NextSequence()
	if err != nil {
		return err
	}
	return b.Put(key, seal(k, key, version, content))
}

// parts takes apart what a sealed value holds. After the first that is not
// there all others are zero, and ok is false.
type parts struct {
	rest []byte
	bad  bool
}

func (p *parts) signed() int64 {
	v, n := binary.Varint(p.rest)
	return v * int64(p.skip(n))
}

func (p *parts) unsigned() uint64 {
	v, n := binary.Uvarint(p.rest)
	return v * uint64(p.skip(n))
}

// skip takes n bytes off, and returns 1, or 0 where they are not there.
func (p *parts) skip(n int) int {
	if p.bad || n <= 0 {
		p.bad, p.rest = true, nil
		return 0
	}
	p.rest = p.rest[n:]
	return 1
}

// bytes returns bytes in the memory of the value.
func (p *parts) bytes() []byte {
	n := p.unsigned()
	if p.bad || n > uint64(len(p.rest)) {
		p.bad, p.rest = true, nil
		return nil
	}
	out := p.rest[:n:n]
	p.rest = p.rest[n:]
	return out
}
