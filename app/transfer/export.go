package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/ndjson"
)

// Scanner is the side of a store that an export reads.
type Scanner interface {
	Scan(ctx context.Context, q store.Query, each func(store.Metric) error) error
}

// Format is how rows are written.
type Format string

// The formats of an export.
const (
	// NDJSON is a JSON object a line, the one format that can be imported.
	NDJSON Format = "ndjson"
	// CSV is that of RFC 4180, with the value as one field of JSON.
	CSV Format = "csv"
	// OpenMetrics holds the numbers of the values, as promtool takes them.
	OpenMetrics Format = "openmetrics"
)

// ParseFormat returns the format of a name.
func ParseFormat(text string) (Format, error) {
	if f := Format(text); slices.Contains([]Format{NDJSON, CSV, OpenMetrics}, f) {
		return f, nil
	}
	return "", fmt.Errorf("--format=%q is unknown: ndjson, csv and openmetrics are allowed", text)
}

// ExportOptions says what is exported, and where to.
type ExportOptions struct {
	// Store, API and Format are required.
	Store  Scanner
	API    string
	Format Format
	// Source is one region; empty: all of the api.
	Source string
	// Fields are those of the values that CSV has in columns of their own; none: the
	// whole value is one.
	Fields []string
	Range  Range
	// Gzip compresses the output: a chain of gzip members, which every reader
	// takes for one.
	Gzip bool
	// Output takes what is written.
	Output *Output
	// Progress is told of what was done. Nil: nobody is.
	Progress *Progress
	// PageBytes is how much is put together before it is written; 0: 2 MiB.
	PageBytes int
}

func (o ExportOptions) withDefaults() ExportOptions {
	o.PageBytes = cmp.Or(max(o.PageBytes, 0), 2<<20)
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	return o
}

// Exported is what an export has written.
type Exported struct {
	// Rows counts the rows of this run.
	Rows int64
	// Resumed says that the file held others already.
	Resumed bool
	// Bytes is the length of what this run has written.
	Bytes int64
	// Samples and Series count what an export of OpenMetrics holds, and Left the
	// fields that were one too many.
	Samples, Series, Left int64
}

// Export writes the rows of the history, oldest first. It reads a page of them
// while it writes the one before, and holds no more than these in memory. The
// output is complete when it returns nil; else it can be resumed, where its
// format allows that.
func Export(ctx context.Context, o ExportOptions) (Exported, error) {
	o = o.withDefaults()
	e := &exporter{o: o, query: store.Query{API: o.API, Source: o.Source, From: o.Range.From, OldestFirst: true}}
	if !o.Range.To.IsZero() {
		e.query.To = o.Range.To.Add(-time.Millisecond)
	}
	if err := e.bounds(ctx); err != nil {
		return e.done, err
	}
	var err error
	if o.Format == OpenMetrics {
		err = e.openMetrics(ctx)
	} else {
		err = e.rows(ctx)
	}
	if err == nil {
		err = o.Output.Commit(nil)
	}
	return e.done, err
}

type exporter struct {
	o     ExportOptions
	query store.Query
	done  Exported
	first time.Time // of the oldest row
	last  time.Time // and of the newest one
}

// bounds asks for the oldest and the newest row, so that the progress can be
// told.
func (e *exporter) bounds(ctx context.Context) error {
	q := e.query
	q.Limit = 1
	for _, at := range []*time.Time{&e.first, &e.last} {
		err := e.o.Store.Scan(ctx, q, func(m store.Metric) error {
			*at = m.CreatedAt
			return nil
		})
		if err != nil {
			return err
		}
		q.OldestFirst = false
	}
	return nil
}

// progress tells how far the export is: rows are spread over time, more or less
// evenly.
func (e *exporter) progress(at time.Time) {
	e.o.Progress.Set(at.Sub(e.first).Milliseconds(), e.last.Sub(e.first).Milliseconds(), e.done.Rows, e.done.Bytes, at)
}

// page is a part of the output, of whole rows.
type page struct {
	text []byte
	rows int64
	last time.Time // when the last row was stored
}

// pageRows bounds the rows of a page: stores prepare for as many.
const pageRows = 10_000

// errFull ends the scan of a page.
var errFull = errors.New("the page is full")

// pages hands on every row that is asked for, page by page. A page begins behind
// the last row of the one before, however long it takes until it is asked for.
func (e *exporter) pages(ctx context.Context, row func(store.Metric) (full bool), end func() error) error {
	q := e.query
	q.Limit = pageRows
	for {
		n, full := 0, false
		err := e.o.Store.Scan(ctx, q, func(m store.Metric) error {
			q.After = m.ID
			n++
			if full = row(m); full {
				return errFull
			}
			return nil
		})
		if err != nil && !errors.Is(err, errFull) {
			return err
		}
		if n > 0 && q.After == "" {
			return errors.New("the store gives its rows no ids to go on from")
		}
		if n > 0 {
			if err := end(); err != nil {
				return err
			}
		}
		if !full && n < q.Limit {
			return nil
		}
	}
}

// rows writes NDJSON or CSV.
func (e *exporter) rows(ctx context.Context) error {
	encode, of := ndjson.Append, layout{format: e.o.Format}
	if e.o.Format == CSV {
		table := newTable(e.o.Fields)
		encode, of.header = table.append, table.header
	}
	seen, err := e.resume(of)
	if err != nil {
		return err
	}
	// The reader fills one page while the writer writes another; a third one is
	// between them.
	free, filled := make(chan *page, 3), make(chan *page)
	for range cap(free) {
		free <- &page{text: make([]byte, 0, e.o.PageBytes+e.o.PageBytes/8)}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read := make(chan error, 1)
	go func() {
		defer close(filled)
		current := <-free
		if e.o.Output.empty() {
			current.text = append(current.text, of.header...)
		}
		hand := func() error {
			select {
			case filled <- current:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case current = <-free:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := e.pages(ctx, func(m store.Metric) bool {
			current.last = m.CreatedAt
			if seen.has(m) {
				return false
			}
			current.text = encode(current.text, m)
			current.rows++
			return len(current.text) >= e.o.PageBytes
		}, hand)
		if err == nil && len(current.text) > 0 { // the header of a file without rows
			err = hand()
		}
		read <- err
	}()
	written := e.write(ctx, filled, free)
	cancel()
	if err := <-read; written == nil {
		return err
	}
	return written
}

// write takes the pages as they come, until there are no more.
func (e *exporter) write(ctx context.Context, filled <-chan *page, free chan<- *page) error {
	for p := range filled {
		n, err := e.o.Output.write(ctx, p.text, e.o.Gzip)
		e.done.Bytes += int64(n)
		if err != nil {
			return err
		}
		e.done.Rows += p.rows
		e.progress(p.last)
		if cap(p.text) > 4*e.o.PageBytes { // it held a very large value
			p.text = nil
		}
		p.text, p.rows = p.text[:0], 0
		free <- p
	}
	return nil
}

// resume finds what a file holds that was cut off, and lets the export go on
// behind it.
func (e *exporter) resume(of layout) (*seen, error) {
	if !e.o.Output.resumes {
		return nil, nil
	}
	at, err := position(e.o.Output.file, of, e.o.Gzip)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.o.Output.part, err)
	}
	if len(at.rows) == 0 {
		return nil, e.o.Output.cut(at.offset)
	}
	last := at.rows[0]
	switch {
	case last.API != e.query.API, e.query.Source != "" && last.Source != e.query.Source,
		last.CreatedAt.Before(e.query.From), !e.query.To.IsZero() && last.CreatedAt.After(e.query.To):
		return nil, fmt.Errorf("%s was begun with another api, source or range: resume it with the same ones, or begin anew with --force", e.o.Output.part)
	}
	if err := e.o.Output.cut(at.offset); err != nil {
		return nil, err
	}
	e.done.Resumed, e.query.From = true, last.CreatedAt
	return newSeen(at.rows), nil
}

// seen are the rows of one millisecond that a file holds already.
type seen struct {
	at   time.Time
	rows map[identity]int
}

type identity struct{ api, source, hash string }

func newSeen(rows []store.Metric) *seen {
	s := &seen{at: rows[0].CreatedAt, rows: make(map[identity]int)}
	for _, m := range rows {
		s.rows[identity{m.API, m.Source, m.Hash}]++
	}
	return s
}

// has reports whether the file holds the row.
func (s *seen) has(m store.Metric) bool {
	if s == nil || !m.CreatedAt.Equal(s.at) {
		return false
	}
	id := identity{m.API, m.Source, m.Hash}
	if s.rows[id] == 0 {
		return false
	}
	s.rows[id]--
	return true
}
