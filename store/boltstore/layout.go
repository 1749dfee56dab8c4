package boltstore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// schema is the version of the layout below. Layout 1 had the latest values and
// the rows alone: such a file is continued. A program that knows no other would
// store late rows without taking the marks back, so that it has to refuse the
// file from then on, and does.
const schema = 2

// The buckets of the rows: the latest value under <api> 0 <source>; history rows
// under their time and sequence, for retention; and, for questions, keys <api> 0
// <source> 0 <time> <sequence> without a value.
func bucketMeta() []byte   { return []byte("meta") }
func bucketLatest() []byte { return []byte("latest") }
func bucketByTime() []byte { return []byte("history_by_time") }
func bucketBySrc() []byte  { return []byte("history_by_source") }

// The buckets of what is kept beside the rows, all with sealed values:
// intervals under <api> 0 <source> 0 <from>; marks and terms, and the fields
// that were found, under <api> 0 <source>; the number of a field under <api> 0
// <source> 0 <field>; and chunks under tier, start and that number.
func bucketOutcomes() []byte { return []byte("outcomes") }
func bucketRegions() []byte  { return []byte("regions") }
func bucketFields() []byte   { return []byte("fields") }
func bucketSeries() []byte   { return []byte("series") }
func bucketChunks() []byte   { return []byte("chunks") }

// The buckets of alerting: sealed ledgers under <api>; sealed records under
// <kind> 0 <api> 0 <id>; and, for questions, keys without a value under <kind> 0
// <api> 0 <time> <id> 0 <api>, twice for each record: the first api is empty in
// one of them, which is of all APIs. A program that does not know these buckets
// leaves them as they are, so that the number of the layout stays.
func bucketLedgers() []byte     { return []byte("alert_ledgers") }
func bucketRecords() []byte     { return []byte("alert_records") }
func bucketRecordIndex() []byte { return []byte("alert_records_by_time") }

func prepare(tx *bolt.Tx) error {
	for _, name := range [][]byte{
		bucketMeta(), bucketLatest(), bucketByTime(), bucketBySrc(),
		bucketOutcomes(), bucketRegions(), bucketFields(), bucketSeries(), bucketChunks(),
		bucketLedgers(), bucketRecords(), bucketRecordIndex(),
	} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta())
	if meta.Get(sizesKey()) == nil {
		if k, _ := tx.Bucket(bucketByTime()).Cursor().First(); k == nil {
			if err := nothingYet(tx); err != nil {
				return err
			}
		}
	}
	if v := meta.Get([]byte("schema")); len(v) == 8 {
		found := binary.BigEndian.Uint64(v)
		if found > schema {
			return fmt.Errorf("the file has layout %d, this program knows up to %d: use a newer program", found, schema)
		}
		if found == schema {
			return nil
		}
	}
	return meta.Put([]byte("schema"), binary.BigEndian.AppendUint64(nil, schema))
}

// nothingYet notes that a new file needs no counting.
func nothingYet(tx *bolt.Tx) error {
	var c counts
	for i := range c {
		c[i].complete = true
	}
	return c.write(tx)
}

// record is a value as it is kept. Data is bytes, not JSON within JSON, so
// that it comes back letter for letter.
type record struct {
	API, Source string
	Hash        string
	Created     int64 // milliseconds
	Updated     int64
	First       uint64 // order of the regions' first storing; latest only
	// Foreign says that Hash is that of another store's spelling of Data, from
	// which the row was imported: a checksum stands in the file as well then.
	Foreign  bool
	checksum uint32
	Data     []byte
}

// foreign marks such a record in the place of First, which is below 1<<31 then,
// and followed by the checksum.
const foreign = 1 << 63

// metric is the record as the rest of the program has it. Older versions stored
// bytes that are not UTF-8: they read as they would be stored today.
func (r record) metric() store.Metric {
	if !utf8.Valid(r.Data) {
		r.Data = jsjson.Valid(r.Data)
		r.Hash = store.Hash(r.Data)
	}
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
	first := r.First
	if r.Foreign {
		first = foreign | (r.First&math.MaxInt32)<<32 | uint64(checksum(r.Data))
	}
	b = binary.BigEndian.AppendUint64(b, first)
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
	r.First, r.Foreign, r.checksum = binary.BigEndian.Uint64(rest[16:]), false, 0
	if r.First&foreign != 0 {
		r.Foreign, r.checksum, r.First = true, uint32(r.First), r.First&^foreign>>32
	}
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

// stampSize is the length of what timeKey returns.
const stampSize = 16

func sourcePrefix(api, source string) []byte { return append(latestKey(api, source), 0) }

// rowKey is the key of a row in the bucket by source.
func rowKey(api, source string, stamp []byte) []byte {
	return append(sourcePrefix(api, source), stamp...)
}

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
