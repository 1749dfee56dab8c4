package boltstore

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Repaired is what Repair saved.
type Repaired struct {
	// Regions and Rows count the latest values and the history rows in the new
	// file.
	Regions, Rows int
	// Intervals and Chunks count those of the outcomes and the tiers.
	Intervals, Chunks int
	// Ledgers and Records count those of alerting.
	Ledgers, Records int
	// Old is where the damaged file stands now.
	Old string
}

// Repair saves what can be read of a damaged file that no process has open into
// a new one, which takes its place; the old one stays beside it. It trusts no
// tree and no index: it goes through the pages one by one and takes each row
// whose data agrees with its hash. Rows that were deleted lately may come back,
// until the retention deletes them again. An error leaves the file as it is.
func Repair(path string) (Repaired, error) {
	file, err := os.Open(path)
	if err != nil {
		return Repaired{}, err
	}
	defer func() { _ = file.Close() }()
	if err := unused(path); err != nil {
		return Repaired{}, err
	}
	found := salvaged{rows: make(map[string][]byte), latest: make(map[string]record), past: make(map[kind]map[string][]byte)}
	if err := found.scan(file); err != nil {
		return Repaired{}, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	found.complete()
	if len(found.latest) == 0 {
		return Repaired{}, fmt.Errorf("%s: nothing in it can be saved; move it away to begin anew", path)
	}
	temporary := path + ".repaired"
	if err := found.write(temporary); err != nil {
		return Repaired{}, errors.Join(fmt.Errorf("%s cannot be written: %w", temporary, err), remove(temporary))
	}
	old := path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000Z")
	if err := os.Rename(path, old); err != nil {
		return Repaired{}, err
	}
	if err := os.Rename(temporary, path); err != nil {
		return Repaired{}, errors.Join(err, os.Rename(old, path))
	}
	return Repaired{
		Regions: len(found.latest), Rows: len(found.rows), Old: old,
		Intervals: len(found.past[kindInterval]), Chunks: len(found.past[kindChunk]),
		Ledgers: len(found.past[kindLedger]), Records: len(found.past[kindNote]),
	}, nil
}

// unused reports ErrLocked where a process has the file open.
func unused(path string) error {
	db, _, err := openDB(path, &bolt.Options{ReadOnly: true, Timeout: lockWait})
	switch {
	case errors.Is(err, ErrLocked):
		return err
	case err == nil:
		return guard(db.Close)
	}
	return nil // it is damaged: that is what the caller is for
}

// salvaged is what a damaged file still held.
type salvaged struct {
	rows   map[string][]byte // by stamp
	latest map[string]record // by the key of the bucket
	past   map[kind]map[string][]byte
}

// The layout of a page of bbolt: a header of the number, flags, count and
// overflow, then for each element of a leaf its flags, position, and the lengths
// of key and value. A bucket is an element too: a header of its own, and, where
// it is small, its only page.
const (
	pageHeader  = 16
	leafElement = 16
	leafPage    = 0x02
	maxOverflow = 1 << 16 // pages of one leaf

	bucketLeaf   = 0x01 // the flag of an element that is a bucket
	bucketHeader = 16
)

// scan looks at every page of the file for rows.
func (f *salvaged) scan(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	pageSize := int64(os.Getpagesize())
	head := make([]byte, pageHeader)
	for at := int64(0); at+pageHeader <= info.Size(); at += pageSize {
		if _, err := file.ReadAt(head, at); err != nil {
			return err
		}
		flags, overflow := binary.NativeEndian.Uint16(head[8:]), binary.NativeEndian.Uint32(head[12:])
		if flags&leafPage == 0 || overflow > maxOverflow {
			continue
		}
		page := make([]byte, min(pageSize*int64(overflow+1), info.Size()-at))
		if _, err := file.ReadAt(page, at); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		f.leaf(page)
	}
	return nil
}

// leaf takes the elements of a page that are rows. Nothing in it is believed.
func (f *salvaged) leaf(page []byte) {
	count := int(binary.NativeEndian.Uint16(page[10:]))
	for i := range count {
		at := pageHeader + i*leafElement
		if at+leafElement > len(page) {
			return
		}
		position := uint64(at) + uint64(binary.NativeEndian.Uint32(page[at+4:]))
		keyLength, valueLength := uint64(binary.NativeEndian.Uint32(page[at+8:])), uint64(binary.NativeEndian.Uint32(page[at+12:]))
		if position+keyLength+valueLength > uint64(len(page)) {
			continue
		}
		key := page[position : position+keyLength]
		value := page[position+keyLength : position+keyLength+valueLength]
		if flags := binary.NativeEndian.Uint32(page[at:]); flags&bucketLeaf != 0 && len(value) > bucketHeader+pageHeader {
			f.leaf(value[bucketHeader:]) // a small bucket, within the page of its parent
			continue
		}
		r, ok := wholeRecord(value)
		switch {
		case !ok:
			f.keepPast(key, value)
		case bytes.Equal(key, latestKey(r.API, r.Source)):
			r.Data = bytes.Clone(r.Data)
			f.keepLatest(r)
		case len(key) == stampSize:
			f.rows[string(key)] = bytes.Clone(value)
		}
	}
}

// keepLatest keeps a latest value as far as its first storing goes; which value
// is the newest, the rows decide. Older versions of a page may still be there.
func (f *salvaged) keepLatest(r record) {
	key := string(latestKey(r.API, r.Source))
	if before, ok := f.latest[key]; !ok || r.Updated > before.Updated {
		f.latest[key] = r
	}
}

// complete leaves out what belongs to nothing, and makes the row with the highest sequence the latest value of its
// region: sequences are in the order of the commits.
func (f *salvaged) complete() {
	f.dropNameless()
	newest := make(map[string]uint64)
	for _, stamp := range slices.SortedFunc(maps.Keys(f.rows), bySequence) {
		row, _ := wholeRecord(f.rows[stamp])
		key := string(latestKey(row.API, row.Source))
		sequence := sequenceOf(stamp)
		if sequence < newest[key] {
			continue
		}
		newest[key] = sequence
		next := row
		next.Updated = row.Created
		if before, ok := f.latest[key]; ok {
			next.Created, next.First = min(before.Created, row.Created), before.First
		}
		f.latest[key] = next
	}
}

func sequenceOf(stamp string) uint64 { return binary.BigEndian.Uint64([]byte(stamp)[8:]) }

func bySequence(a, b string) int { return cmp.Compare(sequenceOf(a), sequenceOf(b)) }

// rowsOfOneWrite bounds a transaction.
const rowsOfOneWrite = 1000

func (f *salvaged) write(path string) error {
	if err := remove(path); err != nil {
		return err
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		if err := prepare(tx); err != nil {
			return err
		}
		return f.writeLatest(tx)
	})
	stamps := slices.SortedFunc(maps.Keys(f.rows), bySequence)
	for part := range slices.Chunk(stamps, rowsOfOneWrite) {
		if err != nil {
			break
		}
		err = writeWithin(db, func(t *txn) error { return f.writeRows(t, part) })
	}
	if err == nil {
		err = f.writePast(db)
	}
	return errors.Join(err, db.Close())
}

func (f *salvaged) writeLatest(tx *bolt.Tx) error {
	bucket := tx.Bucket(bucketLatest())
	inOrder := slices.SortedFunc(maps.Values(f.latest), func(a, b record) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Created, b.Created), cmp.Compare(a.Source, b.Source))
	})
	for i, r := range inOrder {
		r.First = uint64(i + 1)
		if err := bucket.Put(latestKey(r.API, r.Source), encode(r)); err != nil {
			return err
		}
	}
	return bucket.SetSequence(uint64(len(inOrder)))
}

// writeWithin runs one transaction that writes history.
func writeWithin(db *bolt.DB, do func(*txn) error) error {
	return db.Update(func(tx *bolt.Tx) error { return within(tx, earliest, do) })
}

func (f *salvaged) writeRows(t *txn, stamps []string) error {
	rows, index := t.Bucket(bucketByTime()), t.Bucket(bucketBySrc())
	for _, stamp := range stamps {
		value := f.rows[stamp]
		r, _ := wholeRecord(value)
		if err := rows.Put([]byte(stamp), value); err != nil {
			return err
		}
		if err := index.Put(rowKey(r.API, r.Source, []byte(stamp)), nil); err != nil {
			return err
		}
		t.add(areaRows, []byte(stamp), 1, rowSize(&r, value))
	}
	return rows.SetSequence(max(rows.Sequence(), sequenceOf(stamps[len(stamps)-1])))
}
