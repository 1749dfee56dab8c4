package boltstore

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

// Latest implements store.Reader.
func (s *Store) Latest(ctx context.Context, api, source string) (m store.Metric, err error) {
	err = s.view(ctx, func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketLatest()).Get(latestKey(api, source))
		if b == nil {
			return store.ErrNotFound
		}
		r, err := decode(b)
		m = r.metric()
		return err
	})
	return m, err
}

// AllLatest implements store.Reader.
func (s *Store) AllLatest(ctx context.Context, api string) ([]store.Metric, error) {
	var found []record
	prefix := append([]byte(api), 0)
	err := s.view(ctx, func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketLatest()).Cursor()
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			r, err := decode(v)
			if err != nil {
				return err
			}
			found = append(found, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return inFirstOrder(found), nil
}

// The bounds of what Scan reads at once. Where there are many regions more rows
// are read, because a read begins with a look at each of them.
const (
	rowsOfOneRead  = 256
	rowsOfOneLook  = 2
	bytesOfOneScan = 4 << 20
)

// Scan implements store.Reader. Its time depends on the rows it returns and
// the regions of the api, not on the rows that the file holds. each is called
// between two reads: it may take its time and use the store.
func (s *Store) Scan(ctx context.Context, q store.Query, each func(store.Metric) error) error {
	if q.Limit < 1 {
		return fmt.Errorf("a history limit of %d: it must be positive", q.Limit)
	}
	var after []byte
	if q.After != "" {
		var err error
		if after, err = stampOf(q.After); err != nil {
			return err
		}
	}
	var rows []store.Metric
	for left := q.Limit; left > 0; {
		rows = rows[:0]
		more := false
		err := s.view(ctx, func(tx *bolt.Tx) (err error) {
			rows, more, err = readRows(tx, q, after, rows, left)
			return err
		})
		if err != nil {
			return err
		}
		for _, m := range rows {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := each(m); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
		left -= len(rows)
		if after, err = stampOf(rows[len(rows)-1].ID); err != nil {
			return err
		}
	}
	return nil
}

// readRows appends up to limit rows, and reports whether there may be more.
func readRows(tx *bolt.Tx, q store.Query, after []byte, rows []store.Metric, limit int) ([]store.Metric, bool, error) {
	byTime, size := tx.Bucket(bucketByTime()).Cursor(), 0
	regions := walk(tx, q, after)
	limit = min(limit, max(rowsOfOneRead, rowsOfOneLook*regions.Len()))
	var row record // its texts are used again
	for regions.Len() > 0 {
		if len(rows) >= limit || size >= bytesOfOneScan {
			return rows, true, nil
		}
		stamp := regions.all[0].stamp
		k, v := byTime.Seek(stamp)
		if !bytes.Equal(k, stamp) {
			return rows, false, fmt.Errorf("the history row of %s under the key %x is missing", q.API, stamp)
		}
		if err := row.read(v); err != nil {
			return rows, false, err
		}
		m := row.metric()
		m.Data, m.ID = bytes.Clone(m.Data), idOf(stamp)
		rows, size = append(rows, m), size+len(m.Data)
		regions.advance()
	}
	return rows, false, nil
}

// idOf names the row under a stamp.
func idOf(stamp []byte) string {
	var id [2 * stampSize]byte
	hex.Encode(id[:], stamp)
	return string(id[:])
}

// stampOf returns the stamp that an id is made of.
func stampOf(id string) ([]byte, error) {
	stamp, err := hex.DecodeString(id)
	if err != nil || len(stamp) != stampSize || idOf(stamp) != id {
		return nil, store.ErrBadID
	}
	return stamp, nil
}

// last puts the cursor on the greatest key that is not above high.
func last(c *bolt.Cursor, high []byte) []byte {
	k, _ := c.Seek(high)
	switch {
	case k == nil:
		k, _ = c.Last()
	case !bytes.Equal(k, high):
		k, _ = c.Prev()
	}
	return k
}
