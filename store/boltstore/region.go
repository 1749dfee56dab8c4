package boltstore

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

// region is what is kept of a region beside its values.
type region struct {
	rolledUp int64 // milliseconds; notRolledUp before the first
	revision int64
	// The highest terms that have written intervals, and chunks.
	outcomeTerm, chunkTerm int64
}

const notRolledUp = math.MinInt64

// readRegion returns what is known of a region. Where that is damaged it is
// found out anew: all is rolled up again, and the terms begin again.
func readRegion(tx *bolt.Tx, api, source string) region {
	none := region{rolledUp: notRolledUp}
	key := latestKey(api, source)
	_, content, err := unseal(kindRegion, key, tx.Bucket(bucketRegions()).Get(key))
	if err != nil {
		return none
	}
	if r, ok := decodeRegion(content); ok {
		return r
	}
	return none
}

func decodeRegion(content []byte) (r region, ok bool) {
	p := parts{rest: content}
	r = region{rolledUp: p.signed(), revision: p.signed(), outcomeTerm: p.signed(), chunkTerm: p.signed()}
	return r, !p.bad
}

func (r region) write(tx *bolt.Tx, api, source string) error {
	var b []byte
	for _, v := range [...]int64{r.rolledUp, r.revision, r.outcomeTerm, r.chunkTerm} {
		b = binary.AppendVarint(b, v)
	}
	return putSealed(tx.Bucket(bucketRegions()), kindRegion, latestKey(api, source), b)
}

// revise gives the region a revision that it has never had, whatever was lost
// to damage.
func (r *region) revise(tx *bolt.Tx) {
	r.revision = max(r.revision, int64(tx.Bucket(bucketRegions()).Sequence())) + 1
}

// takeBack takes the mark of a region back to a row that is late.
func (t *txn) takeBack(row record) error {
	r := readRegion(t.Tx, row.API, row.Source)
	if row.Created >= t.late && row.Created >= r.rolledUp {
		return nil
	}
	if r.rolledUp != notRolledUp {
		r.rolledUp = min(r.rolledUp, wholeMinute(row.Created))
	}
	r.revise(t.Tx)
	return r.write(t.Tx, row.API, row.Source)
}

// wholeMinute cuts milliseconds to the minute that they are in.
func wholeMinute(milliseconds int64) int64 {
	minute := time.Minute.Milliseconds()
	rest := milliseconds % minute
	if rest < 0 {
		rest += minute
	}
	return milliseconds - rest
}

// Mark implements store.Rollups.
func (s *Store) Mark(ctx context.Context, api, source string) (m store.Mark, err error) {
	err = s.view(ctx, func(tx *bolt.Tx) error {
		r := readRegion(tx, api, source)
		m = store.Mark{API: api, Source: source, Revision: r.revision, Fields: readFields(tx, api, source)}
		if r.rolledUp != notRolledUp {
			m.To = time.UnixMilli(r.rolledUp).UTC()
		}
		return nil
	})
	return m, err
}

// readFields returns the fields that were found. Where that is damaged they are
// found anew.
func readFields(tx *bolt.Tx, api, source string) []string {
	key := latestKey(api, source)
	_, content, err := unseal(kindFields, key, tx.Bucket(bucketFields()).Get(key))
	if err != nil {
		return nil
	}
	return decodeFields(content)
}

func decodeFields(content []byte) (fields []string) {
	p := parts{rest: content}
	for len(p.rest) > 0 {
		field := p.bytes()
		if p.bad {
			return nil
		}
		fields = append(fields, string(field))
	}
	return fields
}

func writeFields(tx *bolt.Tx, api, source string, fields []string) error {
	var b []byte
	for _, field := range fields {
		b = appendText(b, field)
	}
	return putSealed(tx.Bucket(bucketFields()), kindFields, latestKey(api, source), b)
}
