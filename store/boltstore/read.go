package boltstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
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

// History implements store.Reader. Its time depends on the rows it returns,
// not on those it holds, when one region is asked for or one api is stored.
func (s *Store) History(ctx context.Context, q store.Query) ([]store.Metric, error) {
	if q.Limit < 1 {
		return nil, fmt.Errorf("a history limit of %d: it must be positive", q.Limit)
	}
	var rows []store.Metric
	err := s.view(ctx, func(tx *bolt.Tx) error {
		var prefix []byte
		index := tx.Bucket(bucketByTime())
		if q.Source != "" {
			prefix = sourcePrefix(q.API, q.Source)
			index = tx.Bucket(bucketBySrc())
		}
		low := slices.Concat(prefix, timeKey(bound(q.From, earliest), 0))
		high := slices.Concat(prefix, timeKey(bound(q.To, latest), math.MaxUint64))
		byTime := tx.Bucket(bucketByTime())
		c := index.Cursor()
		for k, v := last(c, high); k != nil && bytes.Compare(k, low) >= 0 && len(rows) < q.Limit; k, v = c.Prev() {
			if err := ctx.Err(); err != nil {
				return err
			}
			if q.Source != "" {
				v = byTime.Get(k[len(prefix):])
			}
			r, err := decode(v)
			if err != nil {
				return err
			}
			if r.API == q.API {
				rows = append(rows, r.metric())
			}
		}
		return nil
	})
	return rows, err
}

// last puts the cursor on the greatest key that is not above high.
func last(c *bolt.Cursor, high []byte) (k, v []byte) {
	k, v = c.Seek(high)
	switch {
	case k == nil:
		return c.Last()
	case bytes.Equal(k, high):
		return k, v
	}
	return c.Prev()
}
