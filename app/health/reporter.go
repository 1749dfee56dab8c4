package health

import (
	"fmt"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

// ClassSilent is the class of a part that has not reported within its time.
const ClassSilent = "NO_REPORT"

// maxMessage bounds a message, in bytes: some repeat what others wrote.
const maxMessage = 400

// maxLines bounds the lines of one part in an hour, where its state changes
// over and over.
const maxLines = 12

// Reporter is one part's place on the board. Its methods can be called from any
// goroutine. The board's lock guards the fields.
type Reporter struct {
	board    *Board
	name     string
	within   time.Duration
	added    time.Time
	removed  bool
	unlogged bool
	terse    bool

	state    State
	since    time.Time
	reported time.Time // the last report; zero: none yet
	success  time.Time
	class    string
	message  string

	hour  time.Time // when the hour began that lines are counted of
	lines int       // in that hour
	left  int       // changes that were not logged
}

// Unlogged keeps the changes of this part out of the log: the part says more
// about them there itself. It returns the reporter.
func (r *Reporter) Unlogged() *Reporter {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	r.unlogged = true
	return r
}

// Terse leaves the messages of this part out of the log, since the part says them
// there itself; the changes and their classes stay. It returns the reporter.
func (r *Reporter) Terse() *Reporter {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	r.terse = true
	return r
}

// OK reports that the part is well.
func (r *Reporter) OK() { r.Report(Report{State: OK}) }

// Report takes what the part says now. A change of its state is logged.
func (r *Reporter) Report(report Report) {
	if line := r.take(report); line != nil {
		line()
	}
}

// isWell reports whether the last report was OK.
func (r *Reporter) isWell() bool {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	return r.state == OK
}

// isOf reports whether the last report was of this class.
func (r *Reporter) isOf(class string) bool {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	return r.class == class
}

// Name returns the name of the part.
func (r *Reporter) Name() string { return r.name }

// ReportFor is Report where the next one may take up to within, until another
// call says otherwise.
func (r *Reporter) ReportFor(report Report, within time.Duration) {
	r.board.mu.Lock()
	r.within = within
	r.board.mu.Unlock()
	r.Report(report)
}

// Remove takes the part off the board; later reports are ignored.
func (r *Reporter) Remove() {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	r.removed = true
	if r.board.parts[r.name] == r {
		delete(r.board.parts, r.name)
	}
}

// take notes a report and returns what is to be logged; nil: nothing.
func (r *Reporter) take(report Report) func() {
	r.board.mu.Lock()
	defer r.board.mu.Unlock()
	if r.removed {
		return nil
	}
	now := r.board.now()
	switch report.State {
	case OK:
		r.success = now
		report.Class, report.Message = "", ""
	case Degraded, Down:
	default:
		report.State = Unknown
	}
	report.Message = tidy(report.Message)
	// Between the end of its time and Watch the part was silent all the same.
	if p := r.snapshot(now); p.State == Unknown && r.state != Unknown && report.State != r.state {
		r.state, r.since = Unknown, p.Since
	}
	r.reported = now
	if report.State == r.state {
		r.class, r.message = report.Class, report.Message
		return nil
	}
	return r.change(now, report, now)
}

// change notes another state, and returns what is to be logged of it.
func (r *Reporter) change(now time.Time, to Report, since time.Time) func() {
	from, lasted := r.state, since.Sub(r.since)
	r.state, r.since, r.class, r.message = to.State, since, to.Class, to.Message
	if r.unlogged || from == Unknown && to.State == OK && r.lines == 0 && r.left == 0 {
		return nil // or the part has begun well
	}
	if now.Sub(r.hour) >= time.Hour {
		r.hour, r.lines = now, 0
	}
	if r.lines >= maxLines {
		r.left++
		return nil
	}
	r.lines++
	fields := logrus.Fields{"part": r.name, "state": string(to.State), "before": string(from), "duration_ms": lasted.Milliseconds()}
	if to.Class != "" {
		fields["err_class"] = to.Class
	}
	if r.left > 0 {
		fields["changes_not_logged"] = r.left
		r.left = 0
	}
	text, level := r.name+" is "+string(to.State), logrus.InfoLevel
	if to.Message != "" && !r.terse {
		text += ": " + to.Message
	}
	if to.State.rank() > from.rank() || to.State == Unknown {
		level = logrus.WarnLevel
	}
	line := r.board.log.WithFields(fields)
	return func() { line.Log(level, text) }
}

// snapshot returns the part as it is now.
func (r *Reporter) snapshot(now time.Time) Part {
	p := Part{Name: r.name, State: r.state, Since: r.since, LastSuccess: r.success, Class: r.class, Message: r.message, Starting: r.starting(now)}
	last := r.reported
	if last.IsZero() {
		last = r.added
	}
	switch {
	case r.within > 0 && now.Sub(last) > r.within && (r.state != Unknown || r.reported.IsZero()):
		p.State, p.Class = Unknown, ClassSilent
		p.Message = fmt.Sprintf("nothing was heard of it for more than %s", r.within)
		if r.state != Unknown {
			p.Since = last.Add(r.within)
		}
	case r.reported.IsZero():
		p.Class, p.Message = ClassSilent, "it has not reported yet"
	}
	return p
}

// starting reports whether the part still has time for its first report.
func (r *Reporter) starting(now time.Time) bool {
	return r.reported.IsZero() && (r.within == 0 || now.Sub(r.added) <= r.within)
}

// tidy makes one bounded line of a message, which may hold what others wrote.
func tidy(message string) string {
	message = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(message, "\uFFFD"), func(c rune) bool { return c < ' ' || c == 0x7f }), " ")
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage-len("…")], "") + "…"
}
