package boltstore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

// schema is the version of the layout below.
const schema = 1

// The buckets: the latest value under <api> 0 <source>; history rows under
// their time and sequence, for retention; and, for questions, keys <api> 0
// <source> 0 <time> <sequence> without a value.
func bucketMeta() []byte   { return []byte("meta") }
func bucketLatest() []byte { return []byte("latest") }
func bucketByTime() []byte { return []byte("history_by_time") }
func bucketBySrc() []byte  { return []byte("history_by_source") }

func prepare(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketMeta(), bucketLatest(), bucketByTime(), bucketBySrc()} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta())
	if v := meta.Get([]byte("schema")); v != nil {
		if found := binary.BigEndian.Uint64(v); found > schema {
			return fmt.Errorf("the file has layout %d, this program knows up to %d: use a newer program", found, schema)
		}
		return nil
	}
	return meta.Put([]byte("schema"), binary.BigEndian.AppendUint64(nil, schema))
}

// record is a value as it is kept. Data is bytes, not JSON within JSON, so
// that it comes back letter for letter.
type record struct {
	API, Source string
	Hash        string
	Created     int64 // milliseconds
	Updated     int64
	First       uint64 // order of the regions' first storing; latest only
	Data        []byte
}

func (r record) metric() store.Metric {
	return store.Metric{
		API: r.API, Source: r.Source, Hash: r.Hash, Data: json.RawMessage(r.Data),
		CreatedAt: time.UnixMilli(r.Created).UTC(), UpdatedAt: time.UnixMilli(r.Updated).UTC(),
	}
}

func encode(r record) []byte {
	b := make([]byte, 0, len(r.Data)+128)
	b = appendText(b, r.API)
	b = appendText(b, r.Source)
	b = appendText(b, r.Hash)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Created))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Updated))
	b = binary.BigEndian.AppendUint64(b, r.First)
	return append(b, r.Data...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decode copies everything out of the transaction's memory.
func decode(b []byte) (r record, err error) {
	err = r.read(b)
	r.Data = bytes.Clone(r.Data)
	return r, err
}

// read fills the record. Texts that it holds already are not made again, and
// Data stays in the transaction's memory.
func (r *record) read(b []byte) error {
	rest := b
	for _, text := range [...]*string{&r.API, &r.Source, &r.Hash} {
		n, k := binary.Uvarint(rest)
		if k <= 0 || n > uint64(len(rest)-k) {
			return damaged(b)
		}
		if part := rest[k : k+int(n)]; *text != string(part) {
			*text = string(part)
		}
		rest = rest[k+int(n):]
	}
	if len(rest) < 24 {
		return damaged(b)
	}
	r.Created = int64(binary.BigEndian.Uint64(rest))
	r.Updated = int64(binary.BigEndian.Uint64(rest[8:]))
	r.First = binary.BigEndian.Uint64(rest[16:])
	r.Data = rest[24:]
	return nil
}

func damaged(b []byte) error { return fmt.Errorf("a damaged row of %d bytes", len(b)) }

func latestKey(api, source string) []byte {
	return append(append([]byte(api), 0), source...)
}

// timeKey sorts by time, then by sequence. The sign bit is turned so that
// times before 1970 sort first.
func timeKey(milliseconds int64, sequence uint64) []byte {
	k := binary.BigEndian.AppendUint64(nil, uint64(milliseconds)^(1<<63))
	return binary.BigEndian.AppendUint64(k, sequence)
}

func sourcePrefix(api, source string) []byte { return append(latestKey(api, source), 0) }

func bound(t time.Time, open int64) int64 {
	if t.IsZero() {
		return open
	}
	return t.UnixMilli()
}

const (
	earliest = math.MinInt64
	latest   = math.MaxInt64
)
