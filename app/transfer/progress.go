package transfer

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// Progress tells a person how far a command is: with a bar at a terminal, with a
// line now and then elsewhere. The command never waits for it. The zero value
// tells nobody.
type Progress struct {
	mu    sync.Mutex
	state state

	stop chan struct{}
	over chan struct{}
}

// state is how far a command is.
type state struct {
	done, all   int64 // of any unit; all 0: unknown
	rows, bytes int64
	at          time.Time // of the row
}

// amount says how much is done.
func (s state) amount(doing string) string {
	switch {
	case s.rows == 0:
		return doing + ": " + Size(s.bytes)
	case s.bytes == 0: // they are being sorted
		return doing + ": " + Thousands(s.rows) + " rows"
	}
	return fmt.Sprintf("%s: %s rows, %s", doing, Thousands(s.rows), Size(s.bytes))
}

// lineInterval is the time between two lines, and barInterval that between two
// pictures of the bar.
const (
	lineInterval = 5 * time.Second
	barInterval  = 100 * time.Millisecond
)

// NewProgress begins to tell of what a command does, such as "exporting", on the
// given file.
func NewProgress(out *os.File, doing string) *Progress {
	p := &Progress{stop: make(chan struct{}), over: make(chan struct{})}
	if isatty.IsTerminal(out.Fd()) || isatty.IsCygwinTerminal(out.Fd()) {
		go p.drawBar(out, doing)
	} else {
		go p.writeLines(out, doing, lineInterval)
	}
	return p
}

// Set says how far the command is: done of all, rows and bytes so far, and when
// the last row was stored.
func (p *Progress) Set(done, all, rows, bytes int64, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state{done, all, rows, bytes, at}
}

func (p *Progress) get() state {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// Close takes the bar away. It waits for a terminal that does not take it for a
// moment only.
func (p *Progress) Close() {
	if p == nil || p.stop == nil {
		return
	}
	close(p.stop)
	select {
	case <-p.over:
	case <-time.After(time.Second):
	}
}

func (p *Progress) drawBar(out io.Writer, doing string) {
	defer close(p.over)
	bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(doing),
		progressbar.OptionSetWidth(30), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(false))
	_ = bar.RenderBlank()
	tick := time.NewTicker(barInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s := p.get()
			if s.all > 0 && bar.GetMax64() != s.all {
				bar.ChangeMax64(s.all)
			}
			if s.rows > 0 || s.bytes > 0 {
				bar.Describe(s.amount(doing))
			}
			if s.all > 0 {
				s.done = min(s.done, s.all-1) // the last step would end it
			}
			_ = bar.Set64(s.done)
		case <-p.stop:
			_ = bar.Clear()
			return
		}
	}
}

func (p *Progress) writeLines(out io.Writer, doing string, every time.Duration) {
	defer close(p.over)
	tick := time.NewTicker(every)
	defer tick.Stop()
	began := time.Now()
	for {
		select {
		case <-tick.C:
			s := p.get()
			line := s.amount(doing)
			if s.rows > 0 {
				line += fmt.Sprintf(", %s rows a second", Thousands(int64(float64(s.rows)/time.Since(began).Seconds())))
			}
			if s.all > 0 {
				line += fmt.Sprintf(", %d %%", min(100*s.done/s.all, 100))
			}
			if !s.at.IsZero() {
				line += ", at " + s.at.UTC().Format(time.RFC3339)
			}
			_, _ = fmt.Fprintln(out, line)
		case <-p.stop:
			return
		}
	}
}

// Thousands writes a number with a comma between every three digits.
func Thousands(n int64) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// Size writes a number of bytes for people.
func Size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), -1
	for f >= 999.95 && unit < 3 {
		f, unit = f/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", f, "kMGT"[unit])
}
