package poller

import (
	"errors"
	"time"

	"github.com/sirupsen/logrus"
)

// incident is what is remembered of a region from its first failed poll to the
// next good one, and what is logged of it: its beginning, each new reason, one
// line an hour, and its end.
type incident struct {
	log        logrus.FieldLogger
	maxBackoff time.Duration

	failures int       // since the last good poll
	began    time.Time // these times are read from the monotonic clock
	code     Code      // of the last line
	pause    bool      // a line has said that the upstream asks for one
	logged   time.Time
	changes  int // lines within the hour that say another reason
}

// maxChanges bounds the lines of an hour where a region fails in turn for
// several reasons.
const maxChanges = 10

// note takes a failed poll.
func (in *incident) note(e *Error) {
	now := time.Now()
	in.failures++
	text := ""
	switch {
	case in.failures == 1:
		in.began, in.changes = now, 0
		text = "a poll failed; the last good value is still served"
	case now.Sub(in.logged) >= time.Hour:
		in.changes = 0
		text = "polls still fail; the last good value is still served"
	case e.Code != in.code && in.changes < maxChanges:
		in.changes++
		text = "polls fail for another reason now"
	case e.RetryAfter > 0 && !in.pause:
		text = "polls still fail, and the upstream asks for a pause"
	default:
		in.line(e).Debug("a poll failed again")
		return
	}
	in.code, in.logged = e.Code, now
	line := in.line(e)
	if in.failures > 1 {
		line = line.WithField("duration_ms", now.Sub(in.began).Milliseconds())
	}
	if stack := stackOf(e); stack != "" {
		line = line.WithField("panic", cut(e.Cause.Error())).WithField("stack", stack)
	}
	if e.RetryAfter > 0 {
		in.pause = true
		line = line.WithField("retry_after", e.RetryAfter.String())
		if e.RetryAfter > in.maxBackoff {
			text += "; it asks for a longer pause than POLL_MAX_BACKOFF allows, and is asked again after " + in.maxBackoff.String()
		}
	}
	line.Warn(text)
}

// line has the fields of a failure.
func (in *incident) line(e *Error) *logrus.Entry {
	fields := logrus.Fields{"err_class": string(e.Code), "failures": in.failures, logrus.ErrorKey: e.Text}
	if e.HTTPStatus != 0 {
		fields["status"] = e.HTTPStatus
	}
	if e.Detail != "" {
		fields["detail"] = e.Detail
	}
	return in.log.WithFields(fields)
}

// end takes a good poll.
func (in *incident) end() {
	if in.failures > 0 {
		in.log.WithFields(logrus.Fields{"failures": in.failures, "duration_ms": time.Since(in.began).Milliseconds()}).
			Info("the upstream answers again")
	}
	*in = incident{log: in.log, maxBackoff: in.maxBackoff}
}

// stackOf returns the stack of a fault in the program; empty for other errors.
func stackOf(err error) string {
	var fault *panicked
	if errors.As(err, &fault) {
		return fault.stack
	}
	return ""
}
