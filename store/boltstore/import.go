package boltstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// The bounds of one transaction of Import, so that saves come between.
const (
	rowsOfOneImport  = 1000
	bytesOfOneImport = 4 << 20
)

// Import implements store.Importer, in transactions of bounded size: where one
// fails, those before stay, and importing again goes on.
func (s *Store) Import(ctx context.Context, rows []store.Metric) (added int, err error) {
	for _, m := range rows {
		if err := checkNames(m.API, m.Source); err != nil {
			return 0, err
		}
	}
	for len(rows) > 0 {
		n, size := 0, 0
		for n < len(rows) && n < rowsOfOneImport && size < bytesOfOneImport {
			size += len(rows[n].Data)
			n++
		}
		part := importing{rows: rows[:n], latest: make(map[string]string)}
		// In the writer, so that what it knows of the latest values stays true.
		err := s.inWriter(ctx, func() error {
			if err := s.modify(part.apply); err != nil {
				return err
			}
			s.hashes.set(part.latest)
			return nil
		})
		if err != nil {
			return added, importFailed(err)
		}
		added, rows = added+part.added, rows[n:]
	}
	return added, ctx.Err()
}

func importFailed(err error) error {
	switch {
	case errors.Is(err, bolterrors.ErrValueTooLarge):
		return fmt.Errorf("%w: %w", store.ErrRefused, err)
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return store.ErrClosed
	}
	return err
}

// importing is one transaction of an import.
type importing struct {
	rows   []store.Metric
	added  int
	latest map[string]string // the hashes of latest values that were replaced
}

func (p *importing) apply(t *txn) error {
	p.added = 0
	for _, m := range p.rows {
		row := imported(m)
		there, err := holdsRow(t.Tx, row)
		if err != nil {
			return err
		}
		if there {
			continue
		}
		if err := t.appendRow(row); err != nil {
			return err
		}
		if err := t.takeBack(row); err != nil {
			return err
		}
		if err := p.renew(t.Tx, row); err != nil {
			return err
		}
		p.added++
	}
	return nil
}

func imported(m store.Metric) record {
	r := record{
		API: m.API, Source: m.Source, Hash: m.Hash, Data: jsjson.Valid(m.Data),
		Created: m.CreatedAt.UnixMilli(), Updated: m.UpdatedAt.UnixMilli(),
	}
	if m.UpdatedAt.IsZero() {
		r.Updated = r.Created
	}
	if own := store.Hash(r.Data); r.Hash == "" || len(r.Data) != len(m.Data) {
		r.Hash = own
	} else {
		r.Foreign = r.Hash != own
	}
	return r
}

// holdsRow reports whether a row of the same time and hash is there.
func holdsRow(tx *bolt.Tx, row record) (bool, error) {
	prefix := append(sourcePrefix(row.API, row.Source), timeKey(row.Created, 0)[:8]...)
	c, rows := tx.Bucket(bucketBySrc()).Cursor(), tx.Bucket(bucketByTime())
	var r record
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix) && len(k) == len(prefix)+8; k, _ = c.Next() {
		v := rows.Get(k[len(k)-stampSize:])
		if v == nil {
			continue
		}
		if err := r.read(v); err != nil {
			return false, err
		}
		if r.metric().Hash == row.Hash {
			return true, nil
		}
	}
	return false, nil
}

// renew makes a row the latest value of its region where it is newer.
func (p *importing) renew(tx *bolt.Tx, row record) error {
	bucket, key := tx.Bucket(bucketLatest()), latestKey(row.API, row.Source)
	next := row
	var before record
	if old := bucket.Get(key); old != nil && before.read(old) == nil {
		if before.Updated >= row.Created {
			return nil
		}
		next.Created, next.First = before.Created, before.First
	} else {
		first, err := bucket.NextSequence()
		if err != nil {
			return err
		}
		next.First = first
	}
	next.Updated = row.Created
	p.latest[string(key)] = next.Hash
	return bucket.Put(key, encode(next))
}
