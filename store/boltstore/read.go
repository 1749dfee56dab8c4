package boltstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

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
	slices.SortFunc(found, func(a, b record) int { return cmp.Compare(a.First, b.First) })
	all := make([]store.Metric, len(found))
	for i, r := range found {
		all[i] = r.metric()
	}
	return all, nil
}

// History implements store.Reader. Its time depends on the rows it returns and
// the regions of the api, not on the rows that the file holds.
func (s *Store) History(ctx context.Context, q store.Query) ([]store.Metric, error) {
	if q.Limit < 1 {
		return nil, fmt.Errorf("a history limit of %d: it must be positive", q.Limit)
	}
	var rows []store.Metric
	err := s.view(ctx, func(tx *bolt.Tx) error {
		byTime := tx.Bucket(bucketByTime()).Cursor()
		regions := walk(tx, q)
		for len(rows) < q.Limit && len(regions) > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			next := regions[0]
			k, v := byTime.Seek(next.stamp)
			if !bytes.Equal(k, next.stamp) {
				return fmt.Errorf("the history row of %s, %s under the key %x is missing", q.API, next.row.Source, next.stamp)
			}
			if err := next.row.read(v); err != nil {
				return err
			}
			m := next.row.metric()
			m.Data = bytes.Clone(m.Data)
			rows = append(rows, m)
			regions.advance()
		}
		return nil
	})
	return rows, err
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
