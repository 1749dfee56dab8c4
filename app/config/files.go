package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"time"
)

// maxFile bounds a settings file and a file with a secret.
const maxFile = 1 << 20

// pipeTimeout bounds the wait for somebody who writes into a pipe.
const pipeTimeout = 5 * time.Second

// files reads what settings come from, and remembers what it found there.
type files struct {
	mu sync.Mutex
	// found has, by path, a digest of what was there, or why nothing was.
	found map[string]string
	// pipes has what came out of those: it comes only once.
	pipes map[string]string
	// settings are the paths of the settings files that were there.
	settings []string
}

func newFiles() *files {
	return &files{found: make(map[string]string), pipes: make(map[string]string)}
}

// read reads a text of a bounded size.
func (f *files) read(path string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if text, known := f.pipes[path]; known {
		return text, nil
	}
	b, isPipe, err := readFile(path)
	if isPipe && err == nil {
		f.pipes[path] = string(b)
	}
	switch {
	case !isPipe:
		f.found[path] = finding(b, err)
	case err != nil:
		f.found[path] = aPipe
	}
	switch {
	case err != nil:
		return "", err
	case len(b) > maxFile:
		return "", errors.New("it is larger than 1 MiB")
	}
	return string(b), nil
}

// aPipe is what is remembered of a pipe out of which nothing came.
const aPipe = "a pipe"

// look notes what is there now, and waits for no pipe: there was none that could
// be read.
func (f *files) look(path string) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.found[path] = aPipe
		return
	}
	_, _ = f.read(path)
}

// paths returns what was read, pipes apart that could be.
func (f *files) paths() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.found))
}

// digest says what was found, for comparison with look.
func (f *files) digest() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(f.found)) {
		_, _ = fmt.Fprintf(h, "%q %q\n", path, f.found[path])
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// finding is what is remembered of a file.
func finding(b []byte, err error) string {
	if err != nil {
		return reason(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

// readFile reads at most one byte more than it may be.
func readFile(path string) (b []byte, isPipe bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, false, err
	}
	if info.Mode().IsRegular() || info.IsDir() {
		b, err = readAll(path)
		return b, false, err
	}
	type result struct {
		b   []byte
		err error
	}
	over := make(chan result, 1)
	go func() {
		b, err := readAll(path)
		over <- result{b, err}
	}()
	select {
	case r := <-over:
		return r.b, true, r.err
	case <-time.After(pipeTimeout):
		return nil, true, fmt.Errorf("nothing has come out of this pipe to its end within %s", pipeTimeout)
	}
}

func readAll(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

// reason is why a file cannot be read, without its name.
func reason(err error) string {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err.Error()
	}
	return err.Error()
}
