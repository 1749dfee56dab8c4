package boltstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

// pastBuckets are those of sealed values, by what they hold.
func pastBuckets() map[kind][]byte {
	return map[kind][]byte{
		kindInterval: bucketOutcomes(), kindRegion: bucketRegions(), kindFields: bucketFields(),
		kindSeries: bucketSeries(), kindChunk: bucketChunks(),
		kindLedger: bucketLedgers(), kindNote: bucketRecords(),
	}
}

// checkPast examines what is kept beside the rows. A file of an older program
// has nothing there.
func checkPast(tx *bolt.Tx, r *Findings) error {
	named := make(map[uint32]bool)
	for _, k := range [...]kind{kindSeries, kindRegion, kindFields, kindInterval, kindChunk, kindLedger, kindNote} { // names first
		b := tx.Bucket(pastBuckets()[k])
		if b == nil {
			continue
		}
		err := b.ForEach(func(key, value []byte) error {
			_, content, err := unseal(k, key, value)
			switch {
			case err != nil || !readable(k, key, value, content):
				r.problem("in the bucket %s: the value under the key %q is damaged", pastBuckets()[k], key)
			case k == kindSeries:
				named[binary.BigEndian.Uint32(content)] = true
			case k == kindChunk && !named[seriesOf(key)]:
				r.problem("the chunk under the key %x is of no field that has a name", key)
			case k == kindChunk:
				r.Chunks++
			case k == kindInterval:
				r.Intervals++
			case k == kindLedger:
				r.Ledgers++
			case k == kindNote:
				r.Records++
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readable reports whether the content of a sealed value is what it should be.
func readable(k kind, key, value, content []byte) bool {
	switch k {
	case kindInterval:
		if len(key) <= 8 {
			return false
		}
		_, err := decodeInterval("", "", key, value)
		return err == nil
	case kindRegion:
		_, ok := decodeRegion(content)
		return ok
	case kindFields:
		return len(content) == 0 || decodeFields(content) != nil
	case kindSeries:
		return len(content) == 4
	case kindChunk:
		return slices.ContainsFunc(store.Tiers(), func(t store.Tier) bool { _, _, ok := chunkPlace(t, key); return ok })
	case kindLedger:
		_, err := decodeLedger(key, value)
		return err == nil
	case kindNote:
		_, err := decodeNote(key, value)
		return err == nil
	}
	return false
}

// seriesOf returns the number of the field that a chunk's key ends with.
func seriesOf(key []byte) uint32 { return binary.BigEndian.Uint32(key[chunkSize-4:]) }

// checkSizes counts again what has been counted.
func checkSizes(tx *bolt.Tx, r *Findings) error {
	meta := tx.Bucket(bucketMeta())
	if meta == nil || meta.Get(sizesKey()) == nil {
		return nil // a file of an older program
	}
	value := meta.Get(sizesKey())
	if _, _, err := unseal(kindSizes, sizesKey(), value); err != nil {
		r.problem("the sizes are damaged; they are counted again when the file is in use")
		return nil
	}
	found := counts{}
	for area, noted := range readCounts(tx) {
		t, n, all := &txn{Tx: tx}, &found[area], int(^uint(0)>>1)
		if !noted.complete {
			continue
		}
		t.countArea(area, n, &all)
		if n.Size != noted.Size {
			r.problem("there are %d entries of %d bytes where %d of %d were counted: %s", n.Count, n.Bytes, noted.Count, noted.Bytes, areaName(area))
		}
	}
	return nil
}

func areaName(area int) string {
	if area == areaRows {
		return "history rows"
	}
	return fmt.Sprintf("the tier %s", store.Tiers()[area-1])
}

// keepPast keeps a sealed value. Of two with one key, because an older version of
// a page is still there, the newer is kept.
func (f *salvaged) keepPast(key, value []byte) {
	if len(value) == 0 {
		return
	}
	k := kind(value[0])
	if pastBuckets()[k] == nil {
		return
	}
	version, content, err := unseal(k, key, value)
	if err != nil || !readable(k, key, value, content) {
		return
	}
	if f.past[k] == nil {
		f.past[k] = make(map[string][]byte)
	}
	if before, ok := f.past[k][string(key)]; ok {
		if known, _, err := unseal(k, key, before); err == nil && known >= version {
			return
		}
	}
	f.past[k][string(key)] = bytes.Clone(value)
}

// dropNameless leaves out chunks of fields whose names are lost.
func (f *salvaged) dropNameless() {
	named := make(map[uint32]bool)
	for key, value := range f.past[kindSeries] {
		if _, content, err := unseal(kindSeries, []byte(key), value); err == nil {
			named[binary.BigEndian.Uint32(content)] = true
		}
	}
	maps.DeleteFunc(f.past[kindChunk], func(key string, _ []byte) bool { return !named[seriesOf([]byte(key))] })
}

// writePast writes what was kept beside the rows.
func (f *salvaged) writePast(db *bolt.DB) error {
	for k, name := range pastBuckets() {
		keys := slices.Sorted(maps.Keys(f.past[k]))
		for part := range slices.Chunk(keys, rowsOfOneWrite) {
			err := writeWithin(db, func(t *txn) error {
				bucket := t.Bucket(name)
				for _, key := range part {
					value := f.past[k][key]
					version, _, err := unseal(k, []byte(key), value)
					if err != nil {
						return err
					}
					if err := bucket.Put([]byte(key), value); err != nil {
						return err
					}
					if err := bucket.SetSequence(max(bucket.Sequence(), version)); err != nil {
						return err
					}
					switch k {
					case kindChunk:
						t.add(areaRows+int(key[0]), []byte(key), 1, entrySize([]byte(key), value))
					case kindNote:
						if err := indexNote(t.Tx, []byte(key), value); err != nil {
							return err
						}
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
