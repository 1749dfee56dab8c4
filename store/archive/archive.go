// Package archive writes rows that leave the history to files of a day, one line
// of NDJSON each, compressed with gzip: <folder>/<api>-<date>.ndjson.gz, by the
// day of UTC at which a row was taken.
//
// Rows are appended as members of gzip, which every reader of gzip reads as one
// file; each member tells its own length. What Append has returned for is
// durable. After a crash in between, the file may end with a part of a member,
// which is cut off, or with rows that come again, which are known and left out.
// Rows of which everything is the same are one row.
package archive

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/diskfile"
	"github.com/devops-insights/devops-insights/store/ndjson"
)

// Options configures an Archive. Only Dir is required.
type Options struct {
	// Dir is the folder of the files; it is made when missing.
	Dir string
	// Logger hears of files that were found damaged. Nil: nobody does.
	Logger logrus.FieldLogger
}

// Archive appends rows to the files of a folder. Of two that write one file at
// the same time one fails, and may try again.
type Archive struct {
	opts Options

	mu    sync.Mutex
	known map[string]end // by path
}

// hash is that of a line.
type hash [sha256.Size]byte

// end is what is known of the end of a file.
type end struct {
	size int64
	// recent are the last lines: those that may come again.
	recent []hash
}

// maxRecent is how many lines of a file are known at least. It is more than a
// store hands over at once.
const maxRecent = 4096

// maxKnown bounds the files of which the end is known.
const maxKnown = 64

// New returns an Archive. It looks at nothing before the first Append.
func New(o Options) *Archive { return &Archive{opts: o, known: make(map[string]end)} }

// Append writes the rows, in their order, each to the file of its api and day,
// and returns when they are on the disk: the files, and the names of new ones.
// Rows that the last ones have written already, in part perhaps, are left out,
// also when that was another process.
func (a *Archive) Append(rows []store.Metric) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := os.MkdirAll(a.opts.Dir, 0o750); err != nil {
		return fmt.Errorf("the folder of the archive cannot be made: %w", err)
	}
	byFile := make(map[string][]store.Metric)
	var inOrder []string
	for _, m := range rows {
		path := filepath.Join(a.opts.Dir, FileName(m.API, m.CreatedAt))
		if byFile[path] == nil {
			inOrder = append(inOrder, path)
		}
		byFile[path] = append(byFile[path], m)
	}
	for _, path := range inOrder {
		if err := a.appendTo(path, byFile[path]); err != nil {
			delete(a.known, path)
			return fmt.Errorf("the archive %s cannot be written: %w", path, err)
		}
	}
	return nil
}

func (a *Archive) appendTo(path string, rows []store.Metric) (err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // #nosec G304 -- the folder is a setting.
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := diskfile.Lock(file); err != nil {
		return fmt.Errorf("another process writes it: %w", err)
	}
	last, known, err := a.endOf(path, file)
	if err != nil {
		return err
	}
	text, lines := unknown(rows, last.recent)
	if len(lines) > 0 {
		member, err := pack(text)
		if err != nil {
			return err
		}
		if _, err := file.WriteAt(member, last.size); err != nil {
			return errors.Join(err, file.Truncate(last.size))
		}
		last.size += int64(len(member))
	}
	// Whoever wrote what is known may not have come so far as to make it durable.
	if len(lines) > 0 || !known {
		if err := file.Sync(); err != nil {
			return err
		}
	}
	if !known {
		if err := diskfile.SyncFolder(filepath.Dir(path)); err != nil {
			return err
		}
	}
	last.recent = append(last.recent, lines...)
	if extra := len(last.recent) - maxRecent; extra > 0 {
		last.recent = slices.Clone(last.recent[extra:])
	}
	a.note(path, last)
	return nil
}

// unknown returns the rows as text, but for those that are among the recent
// ones, and the hashes of its lines.
func unknown(rows []store.Metric, recent []hash) (text []byte, lines []hash) {
	known := make(map[hash]int, len(recent))
	for _, h := range recent {
		known[h]++
	}
	for _, m := range rows {
		begin := len(text)
		text = ndjson.Append(text, m)
		h := hash(sha256.Sum256(text[begin:]))
		if known[h] > 0 {
			known[h]--
			text = text[:begin]
			continue
		}
		lines = append(lines, h)
	}
	return text, lines
}

// endOf returns the end of a file, and whether it was known: it is looked for
// where this Archive has not written, or somebody else has since.
func (a *Archive) endOf(path string, file *os.File) (last end, known bool, err error) {
	info, err := file.Stat()
	if err != nil {
		return end{}, false, err
	}
	if last, ok := a.known[path]; ok && last.size == info.Size() {
		return last, true, nil
	}
	found, err := examine(file, info.Size())
	if err != nil {
		return end{}, false, err
	}
	rest := info.Size() - found.size
	switch {
	case rest == 0:
	case found.strange:
		aside, err := setAside(path, file, found.size, rest)
		if err != nil {
			return end{}, false, err
		}
		a.warn(path, fmt.Sprintf("its last %d bytes are not what was written there, and were moved to %s", rest, aside))
	default:
		a.warn(path, fmt.Sprintf("its last %d bytes were written in part, and are cut off", rest))
	}
	return end{found.size, found.recent}, false, file.Truncate(found.size)
}

// note keeps what is known of a file; files of days that are over are forgotten.
func (a *Archive) note(path string, last end) {
	if _, ok := a.known[path]; !ok && len(a.known) >= maxKnown {
		clear(a.known)
	}
	a.known[path] = last
}

// setAside copies the rest of a file into another one, so that nothing of it is
// lost, and returns its name.
func setAside(path string, from *os.File, at, size int64) (name string, err error) {
	aside := path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000Z")
	to, err := os.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // #nosec G304 -- the folder is a setting.
	if err != nil {
		return "", err
	}
	_, err = io.Copy(to, io.NewSectionReader(from, at, size))
	return filepath.Base(aside), errors.Join(err, to.Sync(), to.Close(), diskfile.SyncFolder(filepath.Dir(path)))
}

func (a *Archive) warn(path, what string) {
	if a.opts.Logger != nil {
		a.opts.Logger.WithField("file", path).Warn("a file of the archive: " + what)
	}
}

// Open opens a file of the archive for reading its lines.
func Open(path string) (io.ReadCloser, error) {
	file, err := os.Open(path) // #nosec G304 -- the caller names it.
	if err != nil {
		return nil, err
	}
	return newReader(file)
}
