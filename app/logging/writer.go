package logging

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"syscall"
	"time"
)

// Writer takes lines without ever waiting: a goroutine of its own writes them.
// What does not fit into its queue is dropped and counted; when half of the
// queue is free again, one line says how many there were.
type Writer struct {
	out    io.Writer
	max    int
	report func(lost uint64) []byte

	mu      sync.Mutex
	lines   [][]byte
	bytes   int       // of the lines, and of those that are being written
	full    bool      // lines are dropped until half of the queue is free
	broken  bool      // the last write failed
	lost    uint64    // since the last report
	all     uint64    // that were lost since the start
	failing string    // why the last write failed; empty where it did not
	since   time.Time // of the write under way; zero: none is
	written uint64    // counts the writes that ended
	closed  bool
	work    chan struct{} // something is to be written
	over    chan struct{}
}

// maxWrite is how much is written at once: what a pipe takes.
const maxWrite = 64 << 10

// NewWriter returns a writer to out with a queue of this many bytes (zero: 4
// MiB); report makes the line that tells of those that were lost.
func NewWriter(out io.Writer, maxQueue int, report func(lost uint64) []byte) *Writer {
	if maxQueue <= 0 {
		maxQueue = 4 << 20
	}
	w := &Writer{out: out, max: maxQueue, report: report, work: make(chan struct{}, 1), over: make(chan struct{})}
	go w.run()
	return w
}

// Write implements io.Writer for whole lines. It keeps a copy, never waits and
// never fails.
func (w *Writer) Write(line []byte) (int, error) {
	if len(line) == 0 { // one that is not shown
		return 0, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.reportLost()
	}
	if w.closed || w.full || w.bytes+len(line) > w.max {
		w.full = true
		w.lost++
		w.all++
		return len(line), nil
	}
	w.add(bytes.Clone(line))
	return len(line), nil
}

// add queues a line; the lock is held.
func (w *Writer) add(line []byte) {
	w.lines = append(w.lines, line)
	w.bytes += len(line)
	w.wake()
}

// wake tells the goroutine that there is something to do.
func (w *Writer) wake() {
	select {
	case w.work <- struct{}{}:
	default: // it has been told
	}
}

// reportLost queues the line about those that were lost, once there is room;
// the lock is held.
func (w *Writer) reportLost() {
	if w.broken || w.full && w.bytes > w.max/2 {
		return
	}
	w.full = false
	if w.lost == 0 {
		return
	}
	lost := w.lost
	w.lost = 0
	w.add(w.report(lost))
}

// run writes until the writer is closed and everything is written.
func (w *Writer) run() {
	defer close(w.over)
	torn := false // the last line that was written has no end
	for {
		<-w.work
		for {
			batch, n, closed := w.take()
			if n == 0 && closed {
				return
			}
			if n == 0 {
				break
			}
			size := len(batch)
			if torn {
				batch = append([]byte{'\n'}, batch...)
			}
			w.begin()
			done, err := w.out.Write(batch)
			if done > 0 {
				torn = batch[done-1] != '\n'
			}
			w.release(size, n, err)
		}
	}
}

// take returns the next lines in one piece, and their number.
func (w *Writer) take() (batch []byte, n int, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n < len(w.lines) && (n == 0 || len(batch)+len(w.lines[n]) <= maxWrite) {
		batch = append(batch, w.lines[n]...)
		n++
	}
	clear(w.lines[:n])
	w.lines = w.lines[n:]
	return batch, n, w.closed
}

// WriterStats says how a Writer is doing.
type WriterStats struct {
	// Lost counts the lines that were lost, since the start.
	Lost uint64
	// Stuck is for how long the write that is under way has been; 0: none is.
	Stuck time.Duration
	// Losing says that lines are being lost: the queue is full, or the last write
	// has failed.
	Losing bool
	// Err is why the last write failed, in the words of the system; empty where it
	// did not.
	Err string
	// Queued is how many bytes wait.
	Queued int
}

// Stats returns how the writer is doing. It never waits for a write.
func (w *Writer) Stats() WriterStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := WriterStats{Lost: w.all, Losing: w.full || w.broken, Err: w.failing, Queued: w.bytes}
	if !w.since.IsZero() {
		s.Stuck = time.Since(w.since)
	}
	return s
}

func (w *Writer) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since = time.Now()
}

// release makes room. Lines that could not be written are lost, and are
// reported when one can: the reader may have gone away for good.
func (w *Writer) release(size, n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes -= size
	w.written++
	w.broken, w.failing, w.since = err != nil, "", time.Time{}
	if err != nil {
		w.failing = reason(err)
		w.lost += uint64(n)
		w.all += uint64(n)
		return
	}
	w.reportLost()
}

// reason is an error of the system without the path that it may name.
func reason(err error) string {
	var no syscall.Errno
	if errors.As(err, &no) {
		return no.Error()
	}
	return "the output cannot be written"
}

// Limits of Close.
const (
	closeWithin = 2 * time.Second
	closeIdle   = 500 * time.Millisecond
)

// Close writes what is queued, for at most two seconds, and gives up earlier
// where no write ends for half a second. It reports whether everything was
// written. Lines that come later are dropped.
func (w *Writer) Close() bool {
	w.mu.Lock()
	if !w.closed {
		w.reportLost()
		w.closed = true
		w.wake()
	}
	before := w.written
	w.mu.Unlock()
	end := time.Now().Add(closeWithin)
	for {
		select {
		case <-w.over:
			return true
		case <-time.After(closeIdle):
		}
		w.mu.Lock()
		stuck := w.written == before
		before = w.written
		w.mu.Unlock()
		if stuck || time.Now().After(end) {
			return false
		}
	}
}
