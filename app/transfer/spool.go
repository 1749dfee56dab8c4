package transfer

import (
	"bufio"
	"errors"
	"io"
	"os"
	"syscall"
)

// spool is a file on disk that holds many texts, each of which grows at its end.
type spool struct {
	file *os.File
	size int64
	held int // bytes in memory
	all  []*spooled
}

// spooled is one text: its blocks in the file, and its end, which is in memory.
type spooled struct {
	blocks []block
	text   []byte
	known  int // of text, in held
	listed bool
}

type block struct {
	at     int64
	length int
}

const (
	// blockSize is how much of one text is written at a time, and maxHeld how
	// much of all is in memory.
	blockSize = 32 << 10
	maxHeld   = 32 << 20
)

// open makes the file in a directory; empty: that for temporary files. It has no
// name where the system allows that, so that nothing stays of a process that is
// killed.
func (s *spool) open(directory string) (err error) {
	if s.file, err = os.CreateTemp(directory, ".devops-insights-export-*"); err != nil {
		return spoolError(err)
	}
	_ = os.Remove(s.file.Name()) // where it is in use it cannot be: close does
	return nil
}

func (s *spool) close() {
	_ = s.file.Close()
	_ = os.Remove(s.file.Name())
}

// grown is called when a text has become longer.
func (s *spool) grown(t *spooled) error {
	if !t.listed {
		s.all, t.listed = append(s.all, t), true
	}
	s.held += len(t.text) - t.known
	t.known = len(t.text)
	if len(t.text) >= blockSize {
		if err := s.flush(t); err != nil {
			return err
		}
	}
	if s.held < maxHeld {
		return nil
	}
	for _, other := range s.all {
		if err := s.flush(other); err != nil {
			return err
		}
	}
	return nil
}

func (s *spool) flush(t *spooled) error {
	if len(t.text) == 0 {
		return nil
	}
	n, err := s.file.WriteAt(t.text, s.size)
	if err != nil {
		return spoolError(err)
	}
	t.blocks = append(t.blocks, block{s.size, n})
	s.size += int64(n)
	s.held -= t.known
	t.text, t.known = t.text[:0], 0
	if s.held >= maxHeld/2 { // many texts: each keeps no space
		t.text = nil
	}
	return nil
}

// spoolError is about the file.
func spoolError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = errDiskFull
	}
	return outputError{"the temporary file in which samples are sorted", reason(err)}
}

// each calls do with each line of a text.
func (s *spool) each(t *spooled, do func(line []byte) error) error {
	parts := make([]io.Reader, 0, len(t.blocks)+1)
	for _, b := range t.blocks {
		parts = append(parts, io.NewSectionReader(s.file, b.at, int64(b.length)))
	}
	if err := s.flush(t); err != nil {
		return err
	}
	if n := len(t.blocks); n > len(parts) {
		parts = append(parts, io.NewSectionReader(s.file, t.blocks[n-1].at, int64(t.blocks[n-1].length)))
	}
	in := bufio.NewReaderSize(io.MultiReader(parts...), blockSize)
	var long []byte
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			long = append(long, line...)
			continue
		case errors.Is(err, io.EOF) && len(line)+len(long) == 0:
			return nil
		case err != nil:
			return err
		}
		if len(long) > 0 {
			line, long = append(long, line...), nil
		}
		if err := do(line); err != nil {
			return err
		}
	}
}
