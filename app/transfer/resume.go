package transfer

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// end is where the whole rows of a file end that was cut off.
type end struct {
	offset int64          // of the file
	rows   []store.Metric // the last ones, all of one millisecond, without data
}

// layout is how a file of rows is written.
type layout struct {
	format Format
	header string // its first line; empty: it has none
}

var errColumns = errors.New("it was begun with other columns: resume it with the same --format and --fields, or begin anew with --force")

// position finds the end of the whole rows of a file.
func position(f *os.File, of layout, zip bool) (end, error) {
	info, err := f.Stat()
	if err != nil {
		return end{}, err
	}
	if zip {
		return zippedEnd(io.NewSectionReader(f, 0, info.Size()), of)
	}
	return plainEnd(f, info.Size(), of)
}

// tailStep is how much of a file is read at a time, from its end; a row that is
// longer makes it more.
const tailStep = 1 << 20

// plainEnd goes back from the end of a file, which may hold anything there, to
// the last row that is whole, and on to the first one of its millisecond.
func plainEnd(f io.ReaderAt, size int64, of layout) (end, error) {
	begin := make([]byte, min(size, int64(len(of.header))))
	if _, err := f.ReadAt(begin, 0); err != nil && !errors.Is(err, io.EOF) {
		return end{}, err
	}
	if !bytes.HasPrefix([]byte(of.header), begin) && len(begin) == len(of.header) {
		return end{}, errColumns
	}
	for step := int64(tailStep); ; step *= 4 {
		from := max(size-step, 0)
		text := make([]byte, size-from)
		if _, err := f.ReadAt(text, from); err != nil && !errors.Is(err, io.EOF) {
			return end{}, err
		}
		rows, length, all := lastRows(text, of.format)
		switch {
		case from > 0 && (len(rows) == 0 || all):
			if step > 4*maxLine {
				return end{}, errors.New("there is no whole row at its end: begin anew with --force")
			}
			continue
		case len(rows) == 0:
			return end{offset: of.headerLength(text)}, nil
		}
		return end{offset: from + length, rows: rows}, nil
	}
}

// headerLength is the length of the first line, where it is the header.
func (of layout) headerLength(text []byte) int64 {
	if bytes.HasPrefix(text, []byte(of.header)) {
		return int64(len(of.header))
	}
	return 0
}

// lastRows returns the last whole rows of a text that share a millisecond, and
// the length of the text up to the end of the last one. all says that every line
// of the text may be one of them.
func lastRows(text []byte, format Format) (rows []store.Metric, length int64, all bool) {
	for {
		stop := bytes.LastIndexByte(text, '\n')
		if stop < 0 {
			return rows, length, true
		}
		start := bytes.LastIndexByte(text[:stop], '\n') + 1
		m, ok := readLine(text[start:stop+1], format)
		switch {
		case ok && len(rows) == 0:
			length = int64(stop + 1)
			fallthrough
		case ok && m.CreatedAt.Equal(rows0(rows, m).CreatedAt):
			m.Data = nil
			rows = append(rows, m)
		case len(rows) > 0 && start > 0:
			return rows, length, false
		}
		text = text[:start]
	}
}

// rows0 is the first of the rows, or m where there is none.
func rows0(rows []store.Metric, m store.Metric) store.Metric {
	if len(rows) == 0 {
		return m
	}
	return rows[0]
}

// readLine reads a line of the format, with its end.
func readLine(line []byte, format Format) (store.Metric, bool) {
	if format != CSV {
		m, err := decodeRow(line)
		return m, err == nil
	}
	if !bytes.HasSuffix(line, []byte("\r\n")) {
		return store.Metric{}, false
	}
	fields, err := csv.NewReader(bytes.NewReader(line)).Read()
	if err != nil || len(fields) < 6 {
		return store.Metric{}, false
	}
	at, err := time.Parse(jsjson.TimeFormat, fields[2])
	return store.Metric{API: fields[0], Source: fields[1], CreatedAt: at, Hash: fields[4]}, err == nil
}

// zippedEnd goes through the members of a file, each of which is checked by its
// sum, up to the first one that is not whole. Each holds whole rows.
func zippedEnd(f io.Reader, of layout) (end, error) {
	in := &byteCounter{r: bufio.NewReaderSize(f, 1<<20)}
	found := end{}
	var member bytes.Buffer
	unzip, err := gzip.NewReader(in)
	for err == nil {
		unzip.Multistream(false)
		member.Reset()
		if _, err := io.Copy(&member, io.LimitReader(unzip, 4*maxLine)); err != nil {
			return found, nil
		}
		text := member.Bytes()
		if len(text) > 0 && text[len(text)-1] != '\n' {
			return found, errors.New("it is not what an export writes with --gzip: begin anew with --force")
		}
		if found.offset == 0 && of.headerLength(text) == 0 && of.header != "" {
			return found, errColumns
		}
		found.offset = in.n
		if rows, _, all := lastRows(text, of.format); len(rows) > 0 {
			if all && len(found.rows) > 0 && found.rows[0].CreatedAt.Equal(rows[0].CreatedAt) {
				rows = append(rows, found.rows...)
			}
			found.rows = rows
		}
		err = unzip.Reset(in)
	}
	if found.offset == 0 && in.n > 0 && errors.Is(err, gzip.ErrHeader) {
		return found, fmt.Errorf("it is not compressed: resume it without --gzip, or begin anew with --force")
	}
	return found, nil
}

// byteCounter counts what is read, byte by byte where it is asked so: a gzip
// reader then takes no byte of the next member.
type byteCounter struct {
	r *bufio.Reader
	n int64
}

func (c *byteCounter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *byteCounter) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}
