package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/devops-insights/devops-insights/store/diskfile"
)

// PartSuffix ends the name of a file that is not complete yet.
const PartSuffix = ".part"

// ErrReaderGone says that nobody reads the output any more: what was read is all
// that was wanted.
var ErrReaderGone = errors.New("nobody reads the output any more")

// Output is where an export goes: a file that has its name only when it is
// complete, or a stream.
type Output struct {
	name       string // in messages
	path, part string // empty for a stream
	force      bool
	resumes    bool
	file       *os.File  // of the part
	stream     io.Writer // nil for a file
	zip        *gzip.Writer
	zipped     bytes.Buffer
	length     int64
	whole      bool // it is of no use before it is complete
}

// OutputOptions says how a file is opened.
type OutputOptions struct {
	// Force replaces a file that is there, and one that was cut off.
	Force bool
	// Resume continues a file that was cut off.
	Resume bool
	// Whole says that the output is of no use before it is complete: one that was
	// cut off is deleted.
	Whole bool
}

// OpenOutput opens the output: "-" is stdout, and what is no regular file, such
// as a pipe, is written to as it is. A regular file is written as path.part,
// beside it, and gets its name when it is complete. One that is there is not
// replaced, unless that is asked for.
func OpenOutput(path string, stdout io.Writer, o OutputOptions) (*Output, error) {
	if path == "-" {
		return &Output{name: "stdout", stream: stdout}, nil
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("%s is a directory: the name of a file is expected", path)
	case err == nil && !info.Mode().IsRegular():
		f, err := os.OpenFile(path, os.O_WRONLY, 0) // #nosec G304 -- the person who runs the program names it.
		if err != nil {
			return nil, fmt.Errorf("%s cannot be written: %w", path, reason(err))
		}
		return &Output{name: path, stream: f, file: f}, nil
	case err == nil && !o.Force:
		return nil, fmt.Errorf("%s is there already, and stays as it is: choose another name, or replace it with --force", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s cannot be written: %w", path, reason(err))
	}
	return openPart(&Output{name: path + PartSuffix, path: path, part: path + PartSuffix, force: o.Force, whole: o.Whole}, o)
}

func openPart(out *Output, o OutputOptions) (*Output, error) {
	if complete, err := os.Stat(out.path); err == nil {
		// What ended between the two names of a file has left both.
		if part, err := os.Stat(out.part); err == nil && os.SameFile(part, complete) {
			if err := os.Remove(out.part); err != nil {
				return nil, fmt.Errorf("%s cannot be removed: %w", out.part, reason(err))
			}
		}
	}
	old, err := os.OpenFile(out.part, os.O_RDWR, 0)
	switch {
	case err == nil && diskfile.Lock(old) != nil:
		_ = old.Close()
		return nil, fmt.Errorf("%s is being written by another export", out.part)
	case err == nil && o.Resume:
		out.file, out.resumes = old, true
		return out, nil
	case err == nil && !o.Force && !o.Whole:
		_ = old.Close()
		return nil, fmt.Errorf("%s is there, of an export that was cut off: --resume continues it, --force begins anew", out.part)
	case err == nil:
		err = errors.Join(os.Remove(out.part), old.Close())
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err == nil { // another export may begin at this moment
		out.file, err = os.OpenFile(out.part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err == nil {
		err = diskfile.Lock(out.file)
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be written: %w", out.part, reason(err))
	}
	return out, nil
}

// Part returns the name of the file that is not complete yet; empty for a
// stream.
func (t *Output) Part() string { return t.part }

// Resumes reports whether a file is continued.
func (t *Output) Resumes() bool { return t.resumes }

// directory is that of the file; empty for a stream.
func (t *Output) directory() string {
	if t.part == "" {
		return ""
	}
	return filepath.Dir(t.part)
}

// empty reports whether nothing has been written.
func (t *Output) empty() bool { return t.length == 0 }

// cut lets the file end here.
func (t *Output) cut(at int64) error {
	if err := t.file.Truncate(at); err != nil {
		return t.failure(err)
	}
	t.length = at
	_, err := t.file.Seek(at, io.SeekStart)
	return err
}

// write writes whole rows, compressed to a member of their own where that is
// asked for, and returns the bytes that it wrote. It does not wait for a reader
// that does not read when ctx ends.
func (t *Output) write(ctx context.Context, text []byte, zip bool) (n int, err error) {
	if zip {
		if text, err = t.compress(text); err != nil {
			return 0, err
		}
	}
	if t.stream == nil {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err = t.file.Write(text)
	} else {
		n, err = writeStream(ctx, t.stream, text)
	}
	t.length += int64(n)
	return n, t.failure(err)
}

// writeStream leaves a write behind that nobody takes: the process ends.
func writeStream(ctx context.Context, w io.Writer, text []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	written := make(chan result, 1)
	go func() {
		n, err := w.Write(text)
		written <- result{n, err}
	}()
	select {
	case r := <-written:
		return r.n, r.err
	case <-ctx.Done():
	}
	select { // what is read at the moment is whole
	case r := <-written:
		return r.n, errors.Join(r.err, ctx.Err())
	case <-time.After(time.Second):
		return 0, ctx.Err()
	}
}

// compress makes one gzip member of a text.
func (t *Output) compress(text []byte) ([]byte, error) {
	t.zipped.Reset()
	if t.zip == nil {
		t.zip, _ = gzip.NewWriterLevel(&t.zipped, zipLevel) // the level is valid
	} else {
		t.zip.Reset(&t.zipped)
	}
	if _, err := t.zip.Write(text); err != nil {
		return nil, err
	}
	err := t.zip.Close()
	return t.zipped.Bytes(), err
}

// zipLevel is a good deal between time and size for JSON.
const zipLevel = 3

// failure turns an error of writing into a sentence.
func (t *Output) failure(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.As(err, new(outputError)):
		return err
	case errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		return outputError{t.name, ErrReaderGone}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		err = errDiskFull
	}
	return outputError{t.name, reason(err)}
}

var errDiskFull = errors.New("the disk is full")

// outputError says that a file cannot be written.
type outputError struct {
	file string
	err  error
}

// Error names the file and the reason.
func (e outputError) Error() string { return e.file + " cannot be written: " + e.err.Error() }

// Unwrap returns the reason.
func (e outputError) Unwrap() error { return e.err }

// Writer returns a writer to the output. Its errors are sentences; the end of ctx
// ends it.
func (t *Output) Writer(ctx context.Context) io.Writer { return plainWriter{ctx, t} }

type plainWriter struct {
	ctx context.Context
	t   *Output
}

func (w plainWriter) Write(b []byte) (int, error) {
	if w.t.stream != nil { // a write that nobody takes may be left behind
		b = bytes.Clone(b)
	}
	return w.t.write(w.ctx, b, false)
}

// Commit gives a complete file its name, if the check of it finds nothing; nil:
// there is none. What has no name of its own is not checked.
func (t *Output) Commit(check func(path string) error) error {
	if t.part == "" {
		if t.file != nil { // a device or a pipe
			return t.failure(t.file.Close())
		}
		return nil
	}
	if err := errors.Join(t.file.Sync(), t.file.Close()); err != nil {
		return t.failure(err)
	}
	if check != nil {
		if err := check(t.part); err != nil {
			return errors.Join(err, os.Remove(t.part))
		}
	}
	if err := publish(t.part, t.path, t.force); err != nil {
		return fmt.Errorf("%s is complete but cannot get the name %s: %w", t.part, t.path, reason(err))
	}
	return nil
}

// Close closes an output that is not complete. A part that nothing can be made of
// is deleted.
func (t *Output) Close() error {
	if t.file == nil {
		return nil
	}
	err := t.file.Close()
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	if t.part != "" && (t.whole || t.length == 0 && !t.resumes) {
		err = errors.Join(err, os.Remove(t.part))
	}
	return err
}

// publish gives a complete file its name, durably. Without replace it does not
// take that of a file which is there, even one that came this moment.
func publish(from, to string, replace bool) error {
	if replace {
		if err := os.Rename(from, to); err != nil {
			return err
		}
		return syncDirectory(filepath.Dir(to))
	}
	err := os.Link(from, to)
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	if err != nil { // a file system without links
		if _, there := os.Lstat(to); there == nil {
			return fs.ErrExist
		}
		err = os.Rename(from, to)
	} else {
		err = os.Remove(from)
	}
	if err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(to))
}

// syncDirectory makes names durable, where the system can.
func syncDirectory(path string) error {
	d, err := os.Open(path) // #nosec G304 -- the directory of a file that was named.
	if err != nil {
		return nil // its names are written all the same
	}
	_ = d.Sync() // not every file system can
	return d.Close()
}

// reason is an error without the name of the file, which the sentence has.
func reason(err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	if e := (*os.LinkError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
