package boltstore

import (
	"crypto/sha1" // #nosec G505 -- the hash of the contract, which tells whether a row is whole.
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// Findings is what Check found in a file.
type Findings struct {
	// Latest and Rows count the latest values and the history rows that are
	// whole.
	Latest, Rows int
	// Intervals and Chunks count those of the outcomes and the tiers.
	Intervals, Chunks int
	// Ledgers and Records count those of alerting.
	Ledgers, Records int
	// Problems are sentences, the first of many; Count is how many there are.
	Problems []string
	Count    int
}

// maxProblems bounds Findings.Problems.
const maxProblems = 20

func (r *Findings) problem(format string, args ...any) {
	if r.Count++; r.Count <= maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// Check examines a file that no process has open and changes nothing. An error
// says that the file could not be examined: ErrLocked where a process uses it,
// ErrDamaged where nothing of it can be read this way.
func Check(path string) (r Findings, err error) {
	switch bytes, err := size(path); {
	case err != nil:
		return r, err
	case bytes == 0:
		return r, fmt.Errorf("%s: %w: it is empty; the program begins anew with it", path, ErrDamaged)
	}
	db, _, err := openDB(path, &bolt.Options{ReadOnly: true, Timeout: lockWait})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, guard(db.Close)) }()
	for _, part := range []func(*bolt.Tx, *Findings) error{checkPages, checkSchema, checkLatest, checkRows, checkPast, checkRecordIndex, checkSizes} {
		if err := guard(func() error { return db.View(func(tx *bolt.Tx) error { return part(tx, &r) }) }); err != nil {
			r.problem("%v", err)
		}
	}
	return r, nil
}

// checkPages lets bbolt compare its pages. It does so in a goroutine of its own,
// where a panic cannot be caught: the pages are walked here first.
func checkPages(tx *bolt.Tx, r *Findings) error {
	err := tx.ForEach(func(_ []byte, b *bolt.Bucket) error { return b.ForEach(func(_, _ []byte) error { return nil }) })
	if err != nil {
		return err
	}
	for err := range tx.Check() {
		r.problem("%v", err)
	}
	return nil
}

func checkSchema(tx *bolt.Tx, r *Findings) error {
	meta := tx.Bucket(bucketMeta())
	if meta == nil {
		return errors.New("it is no file of the embedded store")
	}
	if v := meta.Get([]byte("schema")); len(v) != 8 {
		r.problem("the number of the layout is damaged")
	} else if found := binary.BigEndian.Uint64(v); found > schema {
		r.problem("the file has layout %d, this program knows up to %d", found, schema)
	}
	return nil
}

func checkLatest(tx *bolt.Tx, r *Findings) error {
	b := tx.Bucket(bucketLatest())
	if b == nil {
		return errors.New("the latest values are missing")
	}
	return b.ForEach(func(k, v []byte) error {
		if _, ok := wholeRecord(v); !ok {
			r.problem("the latest value under the key %q is damaged", k)
			return nil
		}
		r.Latest++
		return nil
	})
}

func checkRows(tx *bolt.Tx, r *Findings) error {
	rows, index := tx.Bucket(bucketByTime()), tx.Bucket(bucketBySrc())
	if rows == nil || index == nil {
		return errors.New("the history is missing")
	}
	err := rows.ForEach(func(k, v []byte) error {
		row, ok := wholeRecord(v)
		switch {
		case !ok:
			r.problem("the history row under the key %x is damaged", k)
		case index.Get(rowKey(row.API, row.Source, k)) == nil:
			r.problem("the history row under the key %x is in no index", k)
		default:
			r.Rows++
		}
		return nil
	})
	if err != nil {
		return err
	}
	return index.ForEach(func(k, _ []byte) error {
		if len(k) < stampSize || rows.Get(k[len(k)-stampSize:]) == nil {
			r.problem("an index entry leads to no history row: %x", k)
		}
		return nil
	})
}

// wholeRecord decodes a record and compares its data with its hash.
func wholeRecord(b []byte) (r record, ok bool) {
	if r.read(b) != nil || r.API == "" || r.Source == "" {
		return r, false
	}
	if r.Foreign {
		return r, checksum(r.Data) == r.checksum
	}
	sum := sha1.Sum(r.Data) // #nosec G401 -- see the import.
	return r, hex.EncodeToString(sum[:]) == r.Hash
}
