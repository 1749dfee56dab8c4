// Package binary builds the real program for suites that run it as a process, and
// collects what it writes.
package binary

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Build builds the program in a folder and returns its path. It is called from a
// package that is one folder below test.
func Build(folder string) (string, error) {
	path := filepath.Join(folder, "devops-insights")
	out, err := exec.Command("go", "build", "-o", path, "../../cmd/devops-insights").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("the program cannot be built: %w\n%s", err, out)
	}
	return path, nil
}

// Output collects what a process writes. Its methods may be called from any
// goroutine.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String returns all that was written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Count returns a function that counts a part of the text, for Eventually.
func (o *Output) Count(part string) func() int {
	return func() int { return strings.Count(o.String(), part) }
}
