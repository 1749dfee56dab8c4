package api

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// The types of answers.
const (
	typeJSON     = "application/json; charset=utf-8"
	typeNDJSON   = "application/x-ndjson"
	typeCSV      = "text/csv; charset=utf-8; header=present"
	typeMarkdown = "text/markdown; charset=utf-8"
	typeSVG      = "image/svg+xml"
)

// format returns the one of some formats that the parameter format names, else the
// one that the header Accept likes best, else the first.
func (p params) format(r *http.Request, formats ...string) (string, error) {
	if p["format"] != "" {
		return p.choice("format", formats...)
	}
	best, weight := formats[0], 0.0
	for _, line := range r.Header.Values("Accept") {
		for _, part := range strings.Split(line, ",") {
			kind, args, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			q := 1.0
			if text, ok := args["q"]; ok {
				if q, err = strconv.ParseFloat(text, 64); err != nil {
					continue
				}
			}
			for _, f := range formats {
				if q > weight && accepts(kind, f) {
					best, weight = f, q
				}
			}
		}
	}
	return best, nil
}

// accepts reports whether a media type is the one of a format.
func accepts(kind, format string) bool {
	switch format {
	case "json":
		return kind == "application/json" || kind == "*/*" || kind == "application/*"
	case "ndjson":
		return kind == "application/x-ndjson" || kind == "application/ndjson" || kind == "application/jsonl"
	case "csv":
		return kind == "text/csv"
	case "md":
		return kind == "text/markdown"
	}
	return false
}
