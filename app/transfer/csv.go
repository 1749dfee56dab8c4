package transfer

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/csvcell"
	"github.com/devops-insights/devops-insights/store/fieldpath"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// table writes records of RFC 4180: the value as JSON in one column, or each of
// its fields that was asked for in a column of its own.
type table struct {
	header string // the first line
	fields [][]string
	parser fastjson.Parser
	cell   []byte
}

// newTable returns a writer of fields, which are paths as numbers has them; none:
// the whole value.
func newTable(paths []string) *table {
	t := &table{header: "api,source,createdAt,updatedAt,hash"}
	for _, path := range paths {
		t.header += "," + string(appendCell(nil, "data."+path))
		t.fields = append(t.fields, fieldpath.Split(path))
	}
	if len(paths) == 0 {
		t.header += ",data"
	}
	t.header += "\r\n"
	return t
}

// ParseFields reads the paths of fields, with commas between them.
func ParseFields(text string) (paths []string, err error) {
	for path := range strings.SplitSeq(text, ",") {
		if path = strings.TrimSpace(path); path != "" {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 && text != "" {
		return nil, errors.New("--fields names none: results.stats.server.cpu_load,status is an example")
	}
	return paths, nil
}

// append appends a row as one record.
func (t *table) append(b []byte, m store.Metric) []byte {
	b = append(appendCell(b, m.API), ',')
	b = append(appendCell(b, m.Source), ',')
	b = append(appendDate(b, m), ',')
	b = appendCell(b, m.Hash)
	if len(t.fields) == 0 {
		b = appendCell(append(b, ','), m.Data)
		return append(b, "\r\n"...)
	}
	value, err := t.parser.ParseBytes(m.Data)
	for _, names := range t.fields {
		b = append(b, ',')
		if err == nil {
			b = t.appendField(b, value.Get(names...))
		}
	}
	return append(b, "\r\n"...)
}

// appendField appends numbers as they are spelled, texts without their quotes,
// and nothing for null and what is missing. A text that a spreadsheet would take
// for a formula gets an apostrophe before it: it is of somebody else.
func (t *table) appendField(b []byte, v *fastjson.Value) []byte {
	switch {
	case v == nil || v.Type() == fastjson.TypeNull:
		return b
	case v.Type() == fastjson.TypeString:
		text := v.GetStringBytes()
		if csvcell.Formula(text) {
			t.cell = append(append(t.cell[:0], '\''), text...)
			text = t.cell
		}
		return appendCell(b, text)
	}
	t.cell = v.MarshalTo(t.cell[:0])
	return appendCell(b, t.cell)
}

// appendDate appends both times, without the quotes of JSON.
func appendDate(b []byte, m store.Metric) []byte {
	var text [len(`"+010000-01-01T00:00:00.000Z"`)]byte
	b = append(b, bytes.Trim(jsjson.AppendTime(text[:0], m.CreatedAt), `"`)...)
	return append(append(b, ','), bytes.Trim(jsjson.AppendTime(text[:0], m.UpdatedAt), `"`)...)
}

// appendCell appends a field of a record, in quotes where it needs them.
func appendCell[T string | []byte | json.RawMessage](b []byte, text T) []byte {
	begin := len(b)
	b = append(append(b, '"'), text...)
	cell := b[begin+1:]
	if !bytes.ContainsAny(cell, "\",\r\n") && (len(cell) == 0 || cell[0] != ' ' && cell[len(cell)-1] != ' ') {
		copy(b[begin:], cell)
		return b[:len(b)-1]
	}
	if bytes.IndexByte(cell, '"') >= 0 {
		return csvcell.AppendQuoted(b[:begin], []byte(text))
	}
	return append(b, '"')
}
