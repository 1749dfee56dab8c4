package transfer

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/devops-insights/devops-insights/store"
)

// ImportOptions says what is imported, and where to.
type ImportOptions struct {
	// Store and In are required.
	Store store.Importer
	In    io.Reader
	// Name is that of In in messages, and Size its length in bytes; 0: unknown.
	Name string
	Size int64
	// SkipBad goes on after a line that cannot be imported.
	SkipBad bool
	// Rehash takes the data of a line as it is, whatever its hash says.
	Rehash bool
	// OnBad is told of each line that is left out. Nil: nobody is.
	OnBad func(error)
	// Progress is told of what was done. Nil: nobody is.
	Progress *Progress
	// BatchRows and BatchBytes bound what is imported at a time; 0: 1000 and
	// 4 MiB.
	BatchRows, BatchBytes int
}

func (o ImportOptions) withDefaults() ImportOptions {
	o.BatchRows, o.BatchBytes = cmp.Or(max(o.BatchRows, 0), 1000), cmp.Or(max(o.BatchBytes, 0), 4<<20)
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	if o.OnBad == nil {
		o.OnBad = func(error) {}
	}
	return o
}

// Imported is what an import has done.
type Imported struct {
	// Rows counts the rows that were read, Added those of them that the store
	// did not have, and Bad the lines that were left out.
	Rows, Added, Bad int64
	// Oldest is the time of the oldest row; zero where there is none.
	Oldest time.Time
}

// LineError is about one line of a file.
type LineError struct {
	Name string
	Line int64
	Err  error
}

// Error names the file and the line.
func (e *LineError) Error() string { return fmt.Sprintf("%s, line %d: %v", e.Name, e.Line, e.Err) }

// Unwrap returns what is wrong with the line.
func (e *LineError) Unwrap() error { return e.Err }

// Import reads NDJSON, compressed with gzip or not, and adds its rows to the
// store, in batches. What the store has already is left out, so that an import
// that was cut off is resumed by doing it again. What stands before a bad line
// is imported.
func Import(ctx context.Context, o ImportOptions) (Imported, error) {
	o = o.withDefaults()
	i := &importer{o: o, batches: make(chan batch, 1)}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read := make(chan error, 1)
	go func() {
		defer close(i.batches)
		read <- i.read(ctx)
	}()
	for {
		select {
		case b, more := <-i.batches:
			if !more {
				return i.done, <-read
			}
			if err := i.add(ctx, b); err != nil {
				return i.done, err
			}
		case <-ctx.Done(): // whoever writes the input may be silent for long
			return i.done, ctx.Err()
		}
	}
}

type importer struct {
	o       ImportOptions
	in      countingReader
	batches chan batch
	done    Imported
}

// batch is a number of rows with the numbers of their lines. What else stood
// between them is counted in bad.
type batch struct {
	rows  []store.Metric
	lines []int64
	bad   int64
	read  int64 // bytes of the file, up to here
}

// read cuts the file into lines and those into batches. The error is the first
// one that ends it; what stands before is handed on.
func (i *importer) read(ctx context.Context) error {
	i.in.r = i.o.In
	lines, err := newLines(&i.in)
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", i.o.Name, reason(err))
	}
	var b batch
	hand := func() error {
		b.read = i.in.n
		select {
		case i.batches <- b:
			b = batch{}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	bytes := 0
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return hand()
		}
		var m store.Metric
		if err == nil {
			m, err = decodeRow(line)
		}
		if i.o.Rehash && errors.Is(err, errHash) {
			err = nil
		}
		if err != nil {
			bad := &LineError{i.o.Name, lines.number, err}
			if !i.o.SkipBad || lines.broken {
				if err := hand(); err != nil {
					return err
				}
				return bad
			}
			i.o.OnBad(bad)
			b.bad++
			continue
		}
		b.rows, b.lines = append(b.rows, m), append(b.lines, lines.number)
		if bytes += len(line); len(b.rows) >= i.o.BatchRows || bytes >= i.o.BatchBytes {
			if err := hand(); err != nil {
				return err
			}
			bytes = 0
		}
	}
}

// add imports a batch. Where the store refuses it, the rows are tried one by
// one, so that the line is found.
func (i *importer) add(ctx context.Context, b batch) error {
	i.done.Bad += b.bad
	err := i.put(ctx, b.rows)
	if errors.Is(err, store.ErrRefused) {
		if err = i.addOneByOne(ctx, b); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	var at time.Time
	if n := len(b.rows); n > 0 {
		at = b.rows[n-1].CreatedAt
	}
	i.o.Progress.Set(b.read, i.o.Size, i.done.Rows, b.read, at)
	return nil
}

func (i *importer) addOneByOne(ctx context.Context, b batch) error {
	for n := range b.rows {
		err := i.put(ctx, b.rows[n:n+1])
		if err == nil {
			continue
		}
		bad := &LineError{i.o.Name, b.lines[n], err}
		if !errors.Is(err, store.ErrRefused) || !i.o.SkipBad {
			return bad
		}
		i.o.OnBad(bad)
		i.done.Bad++
	}
	return nil
}

// put hands rows to the store, and counts them when it has them all.
func (i *importer) put(ctx context.Context, rows []store.Metric) error {
	if len(rows) == 0 {
		return nil
	}
	added, err := i.o.Store.Import(ctx, rows)
	i.done.Added += int64(added)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("the store takes no more rows: %w", errDiskFull)
	}
	if err != nil {
		return err
	}
	i.done.Rows += int64(len(rows))
	for _, m := range rows {
		if i.done.Oldest.IsZero() || m.CreatedAt.Before(i.done.Oldest) {
			i.done.Oldest = m.CreatedAt
		}
	}
	return nil
}

// maxLine bounds a line in bytes: more than any value that a store takes.
const maxLine = 64 << 20

// lines reads a file line by line, of a bounded length.
type lines struct {
	in     *bufio.Reader
	number int64 // of the line that was read last; the first one is 1
	zipped bool
	broken bool   // nothing can be read behind it
	long   []byte // space for a line that does not fit into the buffer
}

// newLines looks at the first bytes, and unpacks what is gzip.
func newLines(r io.Reader) (*lines, error) {
	in := bufio.NewReaderSize(r, 1<<20)
	head, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !bytes.HasPrefix(head, []byte{0x1f, 0x8b}) {
		return &lines{in: in}, nil
	}
	unzip, err := gzip.NewReader(in)
	if err != nil {
		return nil, errGzip(err)
	}
	return &lines{in: bufio.NewReaderSize(unzip, 1<<20), zipped: true}, nil
}

// errGzip is the sentence about compressed data that cannot be read on.
func errGzip(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the compressed file ends in the middle: it was cut off")
	}
	return fmt.Errorf("the compressed file is damaged from here on: %w", err)
}

// next returns the next line that is not empty, without its end. It is valid
// until the next call. io.EOF: there is none.
func (l *lines) next() ([]byte, error) {
	for {
		line, err := l.line()
		if l.number == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if line = bytes.TrimSpace(line); err != nil || len(line) > 0 {
			if l.number == 1 && err == nil {
				err = foreign(line)
				l.broken = err != nil
			}
			return line, err
		}
	}
}

func (l *lines) line() ([]byte, error) {
	l.number++
	l.long = l.long[:0]
	for {
		part, err := l.in.ReadSlice('\n')
		switch {
		case err == nil && len(l.long) == 0:
			return part, nil
		case err == nil, errors.Is(err, io.EOF) && len(part)+len(l.long) > 0:
			if l.long = append(l.long, part...); len(l.long) > maxLine {
				return nil, errTooLong
			}
			return l.long, nil
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, l.unreadable(err)
		}
		if l.long = append(l.long, part...); len(l.long) > maxLine {
			l.long = nil
			return nil, l.skip()
		}
	}
}

var errTooLong = fmt.Errorf("it is longer than %d MiB", maxLine>>20)

// skip goes to the end of a line that is too long.
func (l *lines) skip() error {
	for {
		_, err := l.in.ReadSlice('\n')
		switch {
		case err == nil, errors.Is(err, io.EOF):
			return errTooLong
		case !errors.Is(err, bufio.ErrBufferFull):
			return l.unreadable(err)
		}
	}
}

func (l *lines) unreadable(err error) error {
	l.broken = true
	if file := (*fs.PathError)(nil); !l.zipped || errors.As(err, &file) {
		return reason(err)
	}
	return errGzip(err)
}

// foreign says what a first line is that begins no row.
func foreign(line []byte) error {
	const only = "; what can be imported is NDJSON: devops-insights export --format ndjson"
	switch {
	case bytes.HasPrefix(line, []byte("# ")):
		return errors.New("this is OpenMetrics" + only)
	case bytes.HasPrefix(line, []byte("api,")):
		return errors.New("this is CSV" + only)
	case bytes.HasPrefix(line, []byte("PK\x03\x04")), bytes.HasPrefix(line, []byte{0x28, 0xb5, 0x2f, 0xfd}), bytes.HasPrefix(line, []byte{0xfd, '7', 'z', 'X', 'Z'}):
		return errors.New("this is compressed, and not by gzip: unpack it first")
	case bytes.IndexByte(line, 0) >= 0:
		return errors.New("this is no text; the file of an embedded store is put in place with devops-insights restore")
	}
	return nil
}

// countingReader counts what is read.
type countingReader struct {
	r io.Reader
	n int64
}

func (r *countingReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.n += int64(n)
	return n, err
}
