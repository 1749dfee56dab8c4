// Package ndjson writes and reads rows of the history as lines of JSON, the one
// form in which they leave a store and enter another:
//
//	{"api":"acme","source":"eu-west","data":{"status":"ok"},"hash":"…","createdAt":"2026-11-24T03:45:01.123Z","updatedAt":"…"}
//
// The keys stand in this order, and data are the bytes of the store, so that the
// same rows make the same lines. Where the hash is that of another spelling of
// the data, as a database may have it that others have written, a checksum ends
// the line: see Intact.
package ndjson

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// Append appends the row and a line feed. The row's ID, which is a store's own,
// is left out.
func Append(b []byte, m store.Metric) []byte {
	b = append(b, `{"api":`...)
	b = jsjson.AppendString(b, m.API)
	b = append(b, `,"source":`...)
	b = jsjson.AppendString(b, m.Source)
	b = append(b, `,"data":`...)
	begin := len(b)
	b = appendData(b, m.Data)
	sum := store.Hash(b[begin:])
	b = append(b, `,"hash":`...)
	b = jsjson.AppendString(b, m.Hash)
	b = append(b, `,"createdAt":`...)
	b = jsjson.AppendTime(b, m.CreatedAt)
	b = append(b, `,"updatedAt":`...)
	b = jsjson.AppendTime(b, m.UpdatedAt)
	if sum != m.Hash {
		b = append(append(append(b, checksumKey...), sum...), '"')
	}
	return append(b, "}\n"...)
}

const checksumKey = `,"checksum":"`

// Intact reports whether the data of a row that was decoded from the text are
// those that were written: they have the hash of the row, or the checksum of the
// line.
func Intact(text []byte, m store.Metric) bool {
	sum := store.Hash(m.Data)
	if sum == m.Hash {
		return true
	}
	text = bytes.TrimSpace(text)
	at := bytes.LastIndex(text, []byte(checksumKey))
	return at >= 0 && string(text[at:]) == checksumKey+sum+`"}`
}

// appendData appends JSON text, which is compact already but for what a store
// was never meant to hold: no line may end within a row.
func appendData(b, data []byte) []byte {
	switch {
	case len(data) == 0:
		return append(b, "null"...)
	case bytes.IndexByte(data, '\n') < 0 && bytes.IndexByte(data, '\r') < 0:
		return append(b, data...)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		return jsjson.AppendString(b, data)
	}
	return append(b, compact.Bytes()...)
}

// line is a row as it is read.
type line struct {
	API       string          `json:"api"`
	Source    string          `json:"source"`
	Data      json.RawMessage `json:"data"`
	Hash      string          `json:"hash"`
	CreatedAt *time.Time      `json:"createdAt"`
	UpdatedAt *time.Time      `json:"updatedAt"`
}

// Decode returns the row of a line. Other keys than those of a row are passed
// over; without a hash it is made from the data, without updatedAt that is
// createdAt.
func Decode(text []byte) (store.Metric, error) {
	if m, ok := decodeOwn(text); ok {
		return m, nil
	}
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return store.Metric{}, fmt.Errorf("no row of the history: %w", err)
	}
	if key := l.missing(); key != "" {
		return store.Metric{}, fmt.Errorf("no row of the history: %q is missing", key)
	}
	m := store.Metric{API: l.API, Source: l.Source, Hash: l.Hash, CreatedAt: store.Milliseconds(*l.CreatedAt)}
	var compact bytes.Buffer
	if err := json.Compact(&compact, l.Data); err != nil {
		return store.Metric{}, fmt.Errorf("no row of the history: %w", err)
	}
	m.Data = jsjson.Valid(compact.Bytes())
	if m.UpdatedAt = m.CreatedAt; l.UpdatedAt != nil {
		m.UpdatedAt = store.Milliseconds(*l.UpdatedAt)
	}
	if m.Hash == "" {
		m.Hash = store.Hash(m.Data)
	}
	return m, nil
}

func (l line) missing() string {
	switch {
	case l.API == "":
		return "api"
	case l.Source == "":
		return "source"
	case l.Data == nil:
		return "data"
	case l.CreatedAt == nil:
		return "createdAt"
	}
	return ""
}

// decodeOwn reads a line exactly as Append writes it, three times as fast as a
// decoder that has to look for the keys. ok is false for every other line.
func decodeOwn(text []byte) (m store.Metric, ok bool) {
	text = bytes.TrimSuffix(text, []byte("\n"))
	hash := bytes.LastIndex(text, []byte(`,"hash":"`))
	if hash < 0 {
		return m, false
	}
	api, rest, ok1 := plainText(text[:hash], `{"api":"`)
	source, data, ok2 := plainText(rest, `,"source":"`)
	data, ok3 := bytes.CutPrefix(data, []byte(`,"data":`))
	sum, rest, ok4 := plainText(text[hash:], `,"hash":"`)
	created, rest, ok5 := plainText(rest, `,"createdAt":"`)
	updated, rest, ok6 := plainText(rest, `,"updatedAt":"`)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || string(rest) != "}" || api == "" || source == "" || sum == "" {
		return m, false
	}
	m = store.Metric{API: api, Source: source, Hash: sum}
	var err1, err2 error
	m.CreatedAt, err1 = time.Parse(jsjson.TimeFormat, created)
	m.UpdatedAt, err2 = time.Parse(jsjson.TimeFormat, updated)
	compact := bytes.NewBuffer(make([]byte, 0, len(data)))
	if err1 != nil || err2 != nil || json.Compact(compact, data) != nil {
		return m, false
	}
	m.Data = jsjson.Valid(compact.Bytes())
	return m, true
}

// plainText returns the text in quotes behind a prefix, where nothing in it is
// escaped.
func plainText(b []byte, prefix string) (value string, rest []byte, ok bool) {
	b, ok = bytes.CutPrefix(b, []byte(prefix))
	end := bytes.IndexByte(b, '"')
	if !ok || end < 0 || bytes.IndexByte(b[:end], '\\') >= 0 || !utf8.Valid(b[:end]) {
		return "", nil, false
	}
	return string(b[:end]), b[end+1:], true
}

// MaxLine bounds the length of a line that is read.
const MaxLine = 64 << 20

// Reader reads rows one after the other.
type Reader struct {
	lines *bufio.Scanner
	line  int
}

// NewReader returns a Reader of lines. Empty lines, and a byte order mark before
// the first, are passed over.
func NewReader(r io.Reader) *Reader {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), MaxLine)
	return &Reader{lines: lines}
}

// Next returns the next row, io.EOF after the last one, or an error that names
// the line; after one about a row, Next goes on with the line behind it.
func (r *Reader) Next() (store.Metric, error) {
	for r.lines.Scan() {
		text := r.lines.Bytes()
		if r.line++; r.line == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		m, err := Decode(text)
		if err != nil {
			return m, &LineError{r.line, err}
		}
		return m, nil
	}
	switch err := r.lines.Err(); {
	case err == nil:
		return store.Metric{}, io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return store.Metric{}, &LineError{r.line + 1, fmt.Errorf("it is longer than %d bytes", MaxLine)}
	default:
		return store.Metric{}, err
	}
}

// Line returns the number of the line that was read last, from 1 on.
func (r *Reader) Line() int { return r.line }

// LineError is what is wrong with a line.
type LineError struct {
	Line int
	Err  error
}

// Error implements error.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns what is wrong.
func (e *LineError) Unwrap() error { return e.Err }
