package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

// Records of alerting are called notes here: a record is a row.

// PutRecord implements store.Records.
func (s *Store) PutRecord(ctx context.Context, r store.Record) error {
	if err := r.Check(); err != nil {
		return err
	}
	r.At = store.Milliseconds(r.At)
	key := noteKey(r.Kind, r.API, r.ID)
	return s.write(ctx, func(t *txn) error {
		notes := t.Bucket(bucketRecords())
		before, err := decodeNote(key, notes.Get(key)) // a damaged one is replaced
		switch {
		case err != nil:
		case before.Version >= r.Version:
			return fmt.Errorf("the %s %s of %s has the version %d, not one below %d: %w", r.Kind, r.ID, r.API, before.Version, r.Version, store.ErrConflict)
		case !before.At.Equal(r.At):
			return fmt.Errorf("the %s %s of %s is of %s, which never changes: %w", r.Kind, r.ID, r.API, before.At.Format(time.RFC3339Nano), store.ErrRefused)
		}
		if err := putSealed(notes, kindNote, key, encodeNote(r)); err != nil {
			return err
		}
		return indexNote(t.Tx, key, notes.Get(key))
	})
}

// FindRecords implements store.Records.
func (s *Store) FindRecords(ctx context.Context, q store.RecordQuery) (found []store.Record, err error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	prefix := noteKey(q.Kind, q.API, "")
	low := prefixedTime(prefix, bound(q.From, earliest))
	err = s.view(ctx, func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketRecordIndex()).Cursor()
		for k := startOfNotes(c, q, prefix); bytes.HasPrefix(k, prefix) && bytes.Compare(k, low) >= 0 && len(found) < q.Limit; k, _ = c.Prev() {
			if _, id, _ := placeOf(k, prefix); q.ID != "" && id != q.ID {
				continue
			}
			if r, ok := s.noteAt(tx, q.Kind, k, prefix); ok {
				found = append(found, r)
			}
		}
		return nil
	})
	return found, err
}

// startOfNotes returns the index entry at which an answer begins, going back.
func startOfNotes(c *bolt.Cursor, q store.RecordQuery, prefix []byte) []byte {
	to := bound(q.To, latest)
	begin := prefixedTime(prefix, to)
	if to == latest {
		begin = append(begin, 0xff) // no id begins with it
	} else {
		begin = prefixedTime(prefix, to+1)
	}
	if before := q.Before; before != (store.RecordPlace{}) {
		place := append(prefixedTime(prefix, before.At.UnixMilli()), before.ID...)
		place = append(append(place, 0), before.API...)
		if bytes.Compare(place, begin) < 0 {
			begin = place
		}
	}
	return lastBefore(c, begin)
}

// lastBefore goes to the last key below one.
func lastBefore(c *bolt.Cursor, key []byte) []byte {
	k, _ := c.Seek(key)
	if k == nil {
		k, _ = c.Last()
		return k
	}
	k, _ = c.Prev()
	return k
}

// noteAt returns the record that an index entry leads to, unless it is damaged.
func (s *Store) noteAt(tx *bolt.Tx, kind store.RecordKind, k, prefix []byte) (r store.Record, ok bool) {
	at, id, api := placeOf(k, prefix)
	key := noteKey(kind, api, id)
	r, err := decodeNote(key, tx.Bucket(bucketRecords()).Get(key))
	if err == nil && r.At.UnixMilli() != at {
		return r, false // the entry is of a damaged one that was replaced
	}
	if err != nil {
		s.sayHurt(err)
	}
	return r, err == nil
}

// DeleteRecords implements store.Records.
func (s *Store) DeleteRecords(ctx context.Context, kind store.RecordKind, before time.Time, most int) (deleted int, err error) {
	if most < 1 {
		return 0, ctx.Err()
	}
	prefix := noteKey(kind, "", "")
	high := prefixedTime(prefix, store.Milliseconds(before).UnixMilli())
	err = s.write(ctx, func(t *txn) error {
		deleted = 0
		var old [][]byte
		c := t.Bucket(bucketRecordIndex()).Cursor()
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix) && bytes.Compare(k, high) < 0 && len(old) < most; k, _ = c.Next() {
			old = append(old, bytes.Clone(k))
		}
		for _, k := range old {
			if err := deleteNote(t.Tx, kind, k, prefix); err != nil {
				return err
			}
		}
		deleted = len(old)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return deleted, nil
}

// deleteNote deletes a record, which may be damaged, and its index entries.
func deleteNote(tx *bolt.Tx, kind store.RecordKind, k, prefix []byte) error {
	at, id, api := placeOf(k, prefix)
	index, notes, key := tx.Bucket(bucketRecordIndex()), tx.Bucket(bucketRecords()), noteKey(kind, api, id)
	for _, entry := range indexKeys(kind, api, id, at) {
		if err := index.Delete(entry); err != nil {
			return err
		}
	}
	if r, err := decodeNote(key, notes.Get(key)); err == nil && r.At.UnixMilli() != at {
		return nil // the entry was of a damaged one that was replaced
	}
	return notes.Delete(key)
}

// noteKey is the key of a record, and, without an id, the beginning of all keys
// of an API.
func noteKey(kind store.RecordKind, api, id string) []byte {
	return append(sourcePrefix(string(kind), api), id...)
}

func prefixedTime(prefix []byte, milliseconds int64) []byte {
	return binary.BigEndian.AppendUint64(bytes.Clone(prefix), uint64(milliseconds)^(1<<63))
}

// indexKeys are the entries of a record in the index: among those of its API, and
// among all.
func indexKeys(kind store.RecordKind, api, id string, at int64) (keys [2][]byte) {
	for i, of := range [...]string{api, ""} {
		k := append(prefixedTime(noteKey(kind, of, ""), at), id...)
		keys[i] = append(append(k, 0), api...)
	}
	return keys
}

// placeOf takes an index entry apart; id is empty where it is none.
func placeOf(k, prefix []byte) (at int64, id, api string) {
	rest := k[len(prefix):]
	if len(rest) < 8 {
		return 0, "", ""
	}
	name, of, _ := bytes.Cut(rest[8:], []byte{0})
	return int64(binary.BigEndian.Uint64(rest) ^ (1 << 63)), string(name), string(of)
}

// indexNote writes the index entries of a record.
func indexNote(tx *bolt.Tx, key, value []byte) error {
	r, err := decodeNote(key, value)
	if err != nil {
		return err
	}
	for _, entry := range indexKeys(r.Kind, r.API, r.ID, r.At.UnixMilli()) {
		if err := tx.Bucket(bucketRecordIndex()).Put(entry, nil); err != nil {
			return err
		}
	}
	return nil
}

func encodeNote(r store.Record) []byte {
	b := binary.AppendVarint(make([]byte, 0, len(r.Data)+3*binary.MaxVarintLen64), r.At.UnixMilli())
	b = binary.AppendVarint(b, r.Version)
	return append(binary.AppendUvarint(b, uint64(len(r.Data))), r.Data...)
}

// decodeNote copies everything out of the transaction's memory.
func decodeNote(key, value []byte) (store.Record, error) {
	_, content, err := unseal(kindNote, key, value)
	if err != nil {
		return store.Record{}, err
	}
	names := bytes.SplitN(key, []byte{0}, 3)
	if len(names) != 3 {
		return store.Record{}, damaged(value)
	}
	p := parts{rest: content}
	r := store.Record{
		Kind: store.RecordKind(names[0]), API: string(names[1]), ID: string(names[2]),
		At: time.UnixMilli(p.signed()).UTC(), Version: p.signed(), Data: bytes.Clone(p.bytes()),
	}
	if p.bad || len(p.rest) > 0 || r.Check() != nil {
		return store.Record{}, damaged(value)
	}
	return r, nil
}

// checkRecordIndex compares the records with their index.
func checkRecordIndex(tx *bolt.Tx, r *Findings) error {
	notes, index := tx.Bucket(bucketRecords()), tx.Bucket(bucketRecordIndex())
	if notes == nil || index == nil {
		return nil // a file of an older program
	}
	err := notes.ForEach(func(key, value []byte) error {
		note, err := decodeNote(key, value)
		if err != nil {
			return nil // which was said
		}
		for _, entry := range indexKeys(note.Kind, note.API, note.ID, note.At.UnixMilli()) {
			if index.Get(entry) == nil {
				r.problem("the record under the key %q is not in its index", key)
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return index.ForEach(func(k, _ []byte) error {
		names := bytes.SplitN(k, []byte{0}, 3)
		if len(names) == 3 {
			prefix := noteKey(store.RecordKind(names[0]), string(names[1]), "")
			_, id, api := placeOf(k, prefix)
			if notes.Get(noteKey(store.RecordKind(names[0]), api, id)) != nil {
				return nil
			}
		}
		r.problem("an index entry leads to no record: %q", k)
		return nil
	})
}
