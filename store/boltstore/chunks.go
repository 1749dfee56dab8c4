package boltstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

// PutChunks implements store.Rollups, in one transaction.
func (s *Store) PutChunks(ctx context.Context, term int64, m store.Mark, chunks []store.Chunk) error {
	if err := checkNames(m.API, m.Source); err != nil {
		return err
	}
	for _, c := range chunks {
		if err := checkChunk(m, c); err != nil {
			return err
		}
	}
	return s.write(ctx, func(t *txn) error {
		tx := t.Tx
		r := readRegion(tx, m.API, m.Source)
		switch {
		case term < r.chunkTerm:
			return fmt.Errorf("the tiers of %s, %s are written by term %d, not by %d: %w", m.API, m.Source, r.chunkTerm, term, store.ErrFenced)
		case m.Revision != r.revision:
			return fmt.Errorf("the tiers of %s, %s: %w", m.API, m.Source, store.ErrConflict)
		}
		for _, c := range chunks {
			if err := t.putChunk(c); err != nil {
				return err
			}
		}
		if !slices.Equal(m.Fields, readFields(tx, m.API, m.Source)) {
			if err := writeFields(tx, m.API, m.Source, m.Fields); err != nil {
				return err
			}
		}
		r.chunkTerm, r.rolledUp = term, bound(m.To, notRolledUp)
		r.revise(tx)
		return r.write(tx, m.API, m.Source)
	})
}

// checkChunk refuses what has no key.
func checkChunk(m store.Mark, c store.Chunk) error {
	switch {
	case c.API != m.API || c.Source != m.Source:
		return fmt.Errorf("a chunk of %s, %s among those of %s, %s: %w", c.API, c.Source, m.API, m.Source, store.ErrRefused)
	case tierNumber(c.Tier) == 0:
		return fmt.Errorf("a chunk of the tier %q: %w", c.Tier, store.ErrRefused)
	case c.Start.UnixMilli()%c.Tier.Span().Milliseconds() != 0 || c.Start.Nanosecond()%int(time.Millisecond) != 0:
		return fmt.Errorf("a chunk of the tier %s that begins at %s: it must begin at a multiple of %s: %w", c.Tier, c.Start, c.Tier.Span(), store.ErrRefused)
	case spanOf(c.Tier, c.Start.UnixMilli()) == math.MinInt32 || spanOf(c.Tier, c.Start.UnixMilli()) == math.MaxInt32:
		return fmt.Errorf("a chunk that begins at %s: %w", c.Start, store.ErrRefused)
	case len(seriesKey(c.API, c.Source, c.Field)) > bolt.MaxKeySize:
		return fmt.Errorf("the name of a field of %d bytes is longer than a key can be: %w", len(c.Field), store.ErrRefused)
	}
	return nil
}

func (t *txn) putChunk(c store.Chunk) error {
	series, err := makeSeries(t.Tx, c.API, c.Source, c.Field)
	if err != nil {
		return err
	}
	bucket, key := t.Bucket(bucketChunks()), chunkKey(c.Tier, spanOf(c.Tier, c.Start.UnixMilli()), series)
	if before := bucket.Get(key); before != nil {
		t.add(areaOf(c.Tier), key, -1, -entrySize(key, before))
	}
	if err := putSealed(bucket, kindChunk, key, c.Data); err != nil {
		return err
	}
	t.add(areaOf(c.Tier), key, 1, entrySize(key, bucket.Get(key)))
	return nil
}

// seriesKey is where the number of a field stands.
func seriesKey(api, source, field string) []byte { return append(sourcePrefix(api, source), field...) }

// findSeries returns the number of a field, or 0.
func findSeries(tx *bolt.Tx, api, source, field string) (uint32, error) {
	key := seriesKey(api, source, field)
	value := tx.Bucket(bucketSeries()).Get(key)
	if value == nil {
		return 0, nil
	}
	_, content, err := unseal(kindSeries, key, value)
	if err != nil {
		return 0, err
	}
	if len(content) != 4 {
		return 0, damaged(value)
	}
	return binary.BigEndian.Uint32(content), nil
}

// makeSeries returns the number of a field, and gives it one where it has none,
// or a damaged one.
func makeSeries(tx *bolt.Tx, api, source, field string) (uint32, error) {
	if series, err := findSeries(tx, api, source, field); err == nil && series != 0 {
		return series, nil
	}
	b := tx.Bucket(bucketSeries())
	next := b.Sequence() + 1
	if next > math.MaxUint32 {
		return 0, fmt.Errorf("more fields than there are numbers: %w", store.ErrRefused)
	}
	if err := b.SetSequence(next); err != nil {
		return 0, err
	}
	key, number := seriesKey(api, source, field), binary.BigEndian.AppendUint32(nil, uint32(next))
	return uint32(next), b.Put(key, seal(kindSeries, key, next, number))
}

// tierNumber is the first byte of a chunk's key; 0 for what is no tier.
func tierNumber(t store.Tier) byte { return byte(slices.Index(store.Tiers(), t) + 1) }

// spanOf numbers the spans of a tier; those in the year 1970 begin with 0.
func spanOf(t store.Tier, milliseconds int64) int32 {
	span := t.Span().Milliseconds()
	n := milliseconds / span
	if milliseconds%span < 0 {
		n--
	}
	return int32(max(math.MinInt32, min(n, math.MaxInt32)))
}

// chunkSize is the length of a chunk's key.
const chunkSize = 1 + 4 + 4

// chunkKey sorts by tier, then by time: what is written together stands
// together, and what is the oldest of a tier stands first, for the sweep.
func chunkKey(t store.Tier, span int32, series uint32) []byte {
	k := make([]byte, 0, chunkSize)
	k = append(k, tierNumber(t))
	k = binary.BigEndian.AppendUint32(k, uint32(span)^(1<<31))
	return binary.BigEndian.AppendUint32(k, series)
}

// chunkPlace takes the key of a chunk apart. ok is false for what is none of
// the tier.
func chunkPlace(t store.Tier, k []byte) (span int32, series uint32, ok bool) {
	if len(k) != chunkSize || k[0] != tierNumber(t) {
		return 0, 0, false
	}
	return int32(binary.BigEndian.Uint32(k[1:]) ^ (1 << 31)), binary.BigEndian.Uint32(k[5:]), true
}

// The bounds of one read of chunks.
const (
	chunksOfOneRead = 1000
	bytesOfOneRead  = 1 << 20
)

// chunkBatch is what one read brings: their data stands one after the other.
type chunkBatch struct {
	spans   []int32
	ends    []int
	damaged []bool
	data    []byte
}

func (b *chunkBatch) add(span int32, content []byte, damaged bool) {
	b.data = append(b.data, content...)
	b.spans, b.ends, b.damaged = append(b.spans, span), append(b.ends, len(b.data)), append(b.damaged, damaged)
}

// ScanChunks implements store.Rollups. each is called between two reads, so that
// it may take its time and use the store.
func (s *Store) ScanChunks(ctx context.Context, q store.ChunkQuery, each func(store.Chunk) error) error {
	if tierNumber(q.Tier) == 0 {
		return fmt.Errorf("no tier is called %q", q.Tier)
	}
	next := spanOf(q.Tier, bound(q.From, earliest))
	var batch chunkBatch
	for more := true; more; {
		batch = chunkBatch{batch.spans[:0], batch.ends[:0], batch.damaged[:0], batch.data[:0]}
		err := s.view(ctx, func(tx *bolt.Tx) (err error) {
			next, more, err = batch.read(tx, q, next)
			return err
		})
		if err != nil {
			return err
		}
		begin := 0
		for i, end := range batch.ends {
			start := time.UnixMilli(int64(batch.spans[i]) * q.Tier.Span().Milliseconds()).UTC()
			c := store.Chunk{API: q.API, Source: q.Source, Field: q.Field, Tier: q.Tier, Start: start, Data: batch.data[begin:end:end], Damaged: batch.damaged[i]}
			if err := each(c); err != nil {
				return err
			}
			begin = end
		}
	}
	return nil
}

// read takes chunks from the span on, and returns where to go on.
func (b *chunkBatch) read(tx *bolt.Tx, q store.ChunkQuery, span int32) (next int32, more bool, err error) {
	series, err := findSeries(tx, q.API, q.Source, q.Field)
	if err != nil || series == 0 {
		return span, false, err
	}
	to, step := bound(q.To, latest), q.Tier.Span().Milliseconds()
	c := tx.Bucket(bucketChunks()).Cursor()
	for int64(span)*step < to && span < math.MaxInt32 {
		if len(b.ends) == chunksOfOneRead || len(b.data) >= bytesOfOneRead {
			return span, true, nil
		}
		k, v := c.Seek(chunkKey(q.Tier, span, series))
		at, found, ok := chunkPlace(q.Tier, k)
		switch {
		case !ok:
			return span, false, nil
		case at > span && found <= series: // no span between has any
			span = at
		case at > span:
			span = at + 1
		case found != series:
			span++
		default:
			_, content, err := unseal(kindChunk, k, v)
			b.add(span, content, err != nil)
			span++
		}
	}
	return span, false, nil
}
