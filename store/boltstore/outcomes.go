package boltstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/devops-insights/devops-insights/store"
)

// write runs a transaction that writes history, and names a closed store.
func (s *Store) write(ctx context.Context, change func(*txn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.isClosed() {
		return store.ErrClosed
	}
	err := s.modify(change)
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return store.ErrClosed
	}
	return err
}

// PutOutcomes implements store.Outcomes: all or none.
func (s *Store) PutOutcomes(ctx context.Context, term int64, intervals []store.Interval) error {
	for _, i := range intervals {
		if err := checkNames(i.API, i.Source); err != nil {
			return err
		}
	}
	if len(intervals) == 0 {
		return ctx.Err()
	}
	return s.write(ctx, func(t *txn) error {
		tx := t.Tx
		for _, i := range intervals {
			if err := enter(tx, term, i.API, i.Source); err != nil {
				return err
			}
			key := intervalKey(sourcePrefix(i.API, i.Source), i.From.UnixMilli())
			if err := putSealed(tx.Bucket(bucketOutcomes()), kindInterval, key, encodeInterval(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// enter notes the term of a writer of intervals, and refuses one that is over.
func enter(tx *bolt.Tx, term int64, api, source string) error {
	r := readRegion(tx, api, source)
	switch cmp.Compare(term, r.outcomeTerm) {
	case -1:
		return fmt.Errorf("the intervals of %s, %s are written by term %d, not by %d: %w", api, source, r.outcomeTerm, term, store.ErrFenced)
	case 0:
		return nil
	}
	r.outcomeTerm = term
	return r.write(tx, api, source)
}

// LastOutcome implements store.Outcomes.
func (s *Store) LastOutcome(ctx context.Context, api, source string) (i store.Interval, err error) {
	err = s.view(ctx, func(tx *bolt.Tx) error {
		prefix := sourcePrefix(api, source)
		c := tx.Bucket(bucketOutcomes()).Cursor()
		k := last(c, intervalKey(prefix, latest))
		if !isInterval(k, prefix) {
			return store.ErrNotFound
		}
		k, v := c.Seek(k)
		i, err = decodeInterval(api, source, k, v)
		return err
	})
	return i, err
}

// intervalsOfOneRead bounds what is read at once.
const intervalsOfOneRead = 500

// ScanOutcomes implements store.Outcomes. each is called between two reads, so
// that it may take its time and use the store.
func (s *Store) ScanOutcomes(ctx context.Context, api, source string, from, to time.Time, each func(store.Interval) error) error {
	prefix, before := sourcePrefix(api, source), bound(to, latest)
	var next []byte
	for {
		var found []store.Interval
		err := s.view(ctx, func(tx *bolt.Tx) error {
			c := tx.Bucket(bucketOutcomes()).Cursor()
			if next == nil {
				next = firstInterval(c, prefix, bound(from, earliest))
			}
			for k, v := c.Seek(next); isInterval(k, prefix) && len(found) < intervalsOfOneRead; k, v = c.Next() {
				i, err := decodeInterval(api, source, k, v)
				if err != nil {
					return err
				}
				if i.From.UnixMilli() >= before {
					return nil
				}
				found = append(found, i)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, i := range found {
			if i.From.Before(from) && !i.To.After(from) {
				continue
			}
			if err := each(i); err != nil {
				return err
			}
		}
		if len(found) < intervalsOfOneRead {
			return nil
		}
		next = append(intervalKey(prefix, found[len(found)-1].From.UnixMilli()), 0)
	}
}

// firstInterval returns the key at which a scan begins: that of the interval
// which began last until then, because it may reach into the time.
func firstInterval(c *bolt.Cursor, prefix []byte, from int64) []byte {
	key := intervalKey(prefix, from)
	if k := last(c, key); isInterval(k, prefix) {
		return bytes.Clone(k)
	}
	return key
}

func intervalKey(prefix []byte, from int64) []byte {
	return binary.BigEndian.AppendUint64(bytes.Clone(prefix), uint64(from)^(1<<63))
}

// isInterval reports whether a key is one of the region with the prefix.
func isInterval(k, prefix []byte) bool {
	return len(k) == len(prefix)+8 && bytes.HasPrefix(k, prefix)
}

func encodeInterval(i store.Interval) []byte {
	from := i.From.UnixMilli()
	b := binary.AppendVarint(nil, i.To.UnixMilli()-from)
	b = binary.AppendVarint(b, i.Until.UnixMilli()-from)
	b = binary.AppendVarint(b, i.Polls)
	b = binary.AppendVarint(b, i.Failures)
	for _, text := range [...]string{string(i.State), i.Reason, string(i.Latency)} {
		b = appendText(b, text)
	}
	return b
}

func decodeInterval(api, source string, key, value []byte) (i store.Interval, err error) {
	_, content, err := unseal(kindInterval, key, value)
	if err != nil {
		return i, err
	}
	from := int64(binary.BigEndian.Uint64(key[len(key)-8:]) ^ (1 << 63))
	at := func(after int64) time.Time { return time.UnixMilli(from + after).UTC() }
	p := parts{rest: content}
	i = store.Interval{
		API: api, Source: source, From: at(0), To: at(p.signed()), Until: at(p.signed()),
		Polls: p.signed(), Failures: p.signed(),
		State: store.State(p.bytes()), Reason: string(p.bytes()), Latency: append([]byte(nil), p.bytes()...),
	}
	if p.bad {
		return i, damaged(value)
	}
	return i, nil
}
