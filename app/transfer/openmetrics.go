package transfer

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/devops-insights/devops-insights/store"
)

// OpenMetrics wants all samples of a metric family in one place, and within it
// all samples of a series, each later than the one before. Rows come in the
// order of time, of all regions and fields: they are sorted on the way, on disk.

const (
	metricPrefix = "devops_insights_"
	// maxSeries bounds the fields of a region.
	maxSeries = 1000
)

// series are the samples of one field of one region.
type series struct {
	name, source, field string
	at                  int64  // of the sample that is held back
	number              []byte // and its value; empty: there is none
	samples             spooled
}

// sorter puts samples in order.
type sorter struct {
	spool   spool
	sources map[string]map[string]*series
	samples int64
	left    int64 // fields that were too many
}

// add takes the numbers of a row.
func (s *sorter) add(m store.Metric) (err error) {
	fields := s.sources[m.Source]
	if fields == nil {
		fields = make(map[string]*series)
		s.sources[m.Source] = fields
	}
	at := m.CreatedAt.UnixMilli()
	numbers(m.Data, func(path, number []byte) {
		if err != nil {
			return
		}
		if f, e := strconv.ParseFloat(string(number), 64); e != nil || math.IsInf(f, 0) {
			return // no double can hold it
		}
		of := fields[string(path)]
		if of == nil {
			if len(fields) == maxSeries {
				s.left++
				return
			}
			of = &series{name: metricName(path), source: m.Source, field: string(path)}
			fields[of.field] = of
		}
		err = s.sample(of, at, number)
	})
	return err
}

// sample keeps a sample. Of those of one millisecond only the last one counts.
func (s *sorter) sample(of *series, at int64, number []byte) error {
	if len(of.number) > 0 && of.at != at {
		if err := s.flush(of); err != nil {
			return err
		}
	}
	of.at, of.number = at, append(of.number[:0], number...)
	return nil
}

// flush puts the sample that is held back behind the others.
func (s *sorter) flush(of *series) error {
	if len(of.number) == 0 {
		return nil
	}
	s.samples++
	text := append(append(of.samples.text, of.number...), ' ')
	of.samples.text = append(appendSeconds(text, of.at), '\n')
	of.number = of.number[:0]
	return s.spool.grown(&of.samples)
}

// appendSeconds appends milliseconds as seconds.
func appendSeconds(b []byte, milliseconds int64) []byte {
	if milliseconds < 0 {
		b, milliseconds = append(b, '-'), -milliseconds
	}
	b = strconv.AppendInt(b, milliseconds/1000, 10)
	if rest := milliseconds % 1000; rest > 0 {
		b = append(b, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
	}
	return b
}

// metricName is the name of the family of a field: what a name may not have is
// an underscore.
func metricName(path []byte) string {
	name := []byte(metricPrefix)
	for _, r := range string(path) {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			name = append(name, byte(r))
		} else {
			name = append(name, '_')
		}
	}
	return string(name)
}

// inOrder returns the series as they are written: by family, then by field and
// region.
func (s *sorter) inOrder() (all []*series) {
	for _, fields := range s.sources {
		for _, of := range fields {
			all = append(all, of)
		}
	}
	slices.SortFunc(all, func(a, b *series) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.field, b.field), strings.Compare(a.source, b.source))
	})
	return all
}

// openMetrics sorts the numbers of all rows and writes them.
func (e *exporter) openMetrics(ctx context.Context) error {
	s := &sorter{sources: make(map[string]map[string]*series)}
	if err := s.spool.open(e.o.Output.directory()); err != nil {
		return err
	}
	defer s.spool.close()
	var failed error
	bytes := 0
	var last store.Metric
	err := e.pages(ctx, func(m store.Metric) bool {
		last.CreatedAt = m.CreatedAt
		if failed == nil {
			failed = s.add(m)
		}
		e.done.Rows++
		bytes += len(m.Data)
		return failed != nil || bytes >= e.o.PageBytes
	}, func() error {
		bytes = 0
		e.progress(last.CreatedAt)
		if failed == nil {
			failed = ctx.Err()
		}
		return failed
	})
	if err != nil {
		return err
	}
	return e.writeSeries(ctx, s)
}

// writeSeries writes the families one after another.
func (e *exporter) writeSeries(ctx context.Context, s *sorter) error {
	out := bufio.NewWriterSize(outputWriter{ctx, e}, e.o.PageBytes)
	family := ""
	for _, of := range s.inOrder() {
		if err := s.flush(of); err != nil {
			return err
		}
		if of.name != family {
			family = of.name
			_, _ = fmt.Fprintf(out, "# TYPE %s gauge\n", family)
		}
		labels := fmt.Appendf(nil, `%s{api="%s",source="%s",field="%s"} `, of.name, labelValue(e.o.API), labelValue(of.source), labelValue(of.field))
		err := s.spool.each(&of.samples, func(sample []byte) error {
			_, _ = out.Write(labels)
			_, err := out.Write(sample)
			return err
		})
		if err != nil {
			return err
		}
		e.done.Series++
	}
	e.done.Samples, e.done.Left = s.samples, s.left
	_, _ = out.WriteString("# EOF\n")
	return out.Flush()
}

func labelValue(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text)
}

// outputWriter writes to the output of an export.
type outputWriter struct {
	ctx context.Context
	e   *exporter
}

func (w outputWriter) Write(b []byte) (int, error) {
	n, err := w.e.o.Output.write(w.ctx, bytes.Clone(b), w.e.o.Gzip)
	w.e.done.Bytes += int64(n)
	if err != nil {
		return 0, err
	}
	return len(b), nil
}
