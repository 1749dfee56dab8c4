package api

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/csvcell"
	"github.com/devops-insights/devops-insights/store/fieldpath"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// csvRows writes records of RFC 4180: who, when, the fields of the value each in a
// column of its own, and, where no fields were asked for, the whole value as JSON
// in the last one.
type csvRows struct {
	paths  []string
	names  [][]string // the paths, taken apart
	whole  bool       // the last column is the value
	parser *fastjson.Parser
}

// newCSV returns a writer of the fields that are asked for, else of those that are
// known of the regions and those of the first rows.
func (a *API) newCSV(ctx context.Context, h historyQuery, head []store.Metric) (*csvRows, error) {
	w := &csvRows{paths: h.fields, parser: new(fastjson.Parser)}
	if w.paths == nil {
		w.whole = true
		known, err := a.knownFields(ctx, h.of)
		if err != nil {
			return nil, err
		}
		for _, path := range known {
			w.add(path)
		}
		for _, m := range head {
			if v, err := w.parser.ParseBytes(m.Data); err == nil {
				walk(v, nil, 0, func(path []byte) { w.add(string(path)) })
			}
		}
	}
	for _, path := range w.paths {
		w.names = append(w.names, fieldpath.Split(path))
	}
	return w, nil
}

func (w *csvRows) add(path string) {
	if len(w.paths) < maxColumns && !slices.Contains(w.paths, path) {
		w.paths = append(w.paths, path)
	}
}

// knownFields returns the fields that were found in the values of what is asked
// for.
func (a *API) knownFields(ctx context.Context, of scope) (all []string, err error) {
	if a.Past == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	for _, region := range of.regions() {
		mark, err := a.Past.Mark(ctx, of.api, region)
		if err != nil {
			return nil, err
		}
		for _, path := range mark.Fields {
			if !slices.Contains(all, path) {
				all = append(all, path)
			}
		}
	}
	return all, nil
}

func (*csvRows) contentType() string { return typeCSV }

func (w *csvRows) begin(b []byte) []byte {
	b = append(b, "api,source,createdAt,updatedAt"...)
	for _, path := range w.paths {
		b = appendText(append(b, ','), "data."+path)
	}
	if w.whole {
		b = append(b, ",data"...)
	}
	return append(b, "\r\n"...)
}

func (w *csvRows) row(b []byte, m store.Metric, _ bool) []byte {
	b = appendText(b, m.API)
	b = appendText(append(b, ','), m.Source)
	b = append(append(b, ','), dateText(jsjson.AppendTime(nil, m.CreatedAt))...)
	b = append(append(b, ','), dateText(jsjson.AppendTime(nil, m.UpdatedAt))...)
	v, err := w.parser.ParseBytes(m.Data)
	for _, names := range w.names {
		b = append(b, ',')
		if err == nil {
			b = appendCell(b, v.Get(names...))
		}
	}
	if w.whole {
		b = csvcell.AppendQuoted(append(b, ','), m.Data)
	}
	return append(b, "\r\n"...)
}

func (*csvRows) end(b []byte, _ int, _ string) []byte { return b }

func dateText(json []byte) []byte { return bytes.Trim(json, `"`) }

// appendCell appends a field of a value: numbers as they are spelled, texts
// without their quotes, nothing for null, and objects and arrays as JSON.
func appendCell(b []byte, v *fastjson.Value) []byte {
	if v == nil {
		return b
	}
	switch v.Type() {
	case fastjson.TypeNull:
		return b
	case fastjson.TypeString:
		text, _ := v.StringBytes()
		return appendText(b, string(text))
	case fastjson.TypeNumber, fastjson.TypeTrue, fastjson.TypeFalse:
		return v.MarshalTo(b)
	}
	return csvcell.AppendQuoted(b, v.MarshalTo(nil))
}

// appendText appends a text that a spreadsheet shows and never computes: one that
// would begin a formula gets an apostrophe before it.
func appendText(b []byte, text string) []byte {
	if text == "" {
		return b
	}
	plain := true
	for i := 0; i < len(text) && plain; i++ {
		c := text[i]
		plain = c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("._:/%-", c) >= 0
	}
	if plain && text[0] != '-' {
		return append(b, text...)
	}
	if csvcell.Formula([]byte(text)) {
		text = "'" + text
	}
	return csvcell.AppendQuoted(b, []byte(text))
}
