package api

import (
	"bytes"
	"context"
	"strconv"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/jsjson"
	"github.com/devops-insights/devops-insights/store/ndjson"
)

// rowWriter writes rows in one format.
type rowWriter interface {
	contentType() string
	begin(b []byte) []byte
	row(b []byte, m store.Metric, first bool) []byte
	end(b []byte, count int, next string) []byte
}

func (a *API) rowWriter(ctx context.Context, h historyQuery, head []store.Metric) (rowWriter, error) {
	switch h.format {
	case "csv":
		return a.newCSV(ctx, h, head)
	case "ndjson":
		return ndjsonRows{}, nil
	}
	return jsonRows{h.of.api, h.of.source}, nil
}

// ndjsonRows writes each row as a line.
type ndjsonRows struct{}

func (ndjsonRows) contentType() string { return typeNDJSON }

func (ndjsonRows) begin(b []byte) []byte { return b }

func (ndjsonRows) row(b []byte, m store.Metric, _ bool) []byte { return ndjson.Append(b, m) }

func (ndjsonRows) end(b []byte, _ int, _ string) []byte { return b }

// jsonRows writes one object. What is known at the end only stands at its end.
type jsonRows struct{ api, source string }

func (jsonRows) contentType() string { return typeJSON }

func (j jsonRows) begin(b []byte) []byte {
	b = jsjson.AppendString(append(b, `{"api":`...), j.api)
	if j.source != "" {
		b = jsjson.AppendString(append(b, `,"source":`...), j.source)
	}
	return append(b, `,"items":[`...)
}

func (jsonRows) row(b []byte, m store.Metric, first bool) []byte {
	if !first {
		b = append(b, ',')
	}
	return bytes.TrimSuffix(ndjson.Append(b, m), []byte("\n"))
}

func (jsonRows) end(b []byte, count int, next string) []byte {
	b = strconv.AppendInt(append(b, `],"count":`...), int64(count), 10)
	if next == "" {
		return append(b, `,"next":null}`...)
	}
	return append(jsjson.AppendString(append(b, `,"next":`...), next), '}')
}
