package health

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/sirupsen/logrus"
)

// The classes that Probe gives itself.
const (
	// ClassTimeout is a part that did not answer within the timeout.
	ClassTimeout = "TIMEOUT"
	// ClassSlow is a part that answers, but takes more than a third of the timeout.
	ClassSlow = "SLOW"
	// ClassPanic is a probe with a fault of the program.
	ClassPanic = "PANIC"
)

// Probe asks a part how it is, once in every period, and reports the answer,
// until ctx ends. A part that does not come back within the timeout is Down with
// TIMEOUT, and is not asked again before it does; one that was well and takes more
// than a third of it is Degraded with SLOW, from then on. The zero Report is not reported: nothing
// is known yet. At the end Probe waits a moment for a question under way, and no
// longer: a disk that hangs must not keep the program from ending.
// It returns nil.
func (b *Board) Probe(ctx context.Context, r *Reporter, every, timeout time.Duration, ask func(context.Context) Report) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		began := b.now()
		answer := b.question(ctx, r, timeout, ask)
		if !b.await(ctx, r, began, timeout, answer) {
			select {
			case <-answer:
			case <-time.After(endGrace):
			}
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// endGrace is how long the end of Probe waits for a question under way.
const endGrace = 500 * time.Millisecond

// question asks once. A panic is an answer too: its text, which may hold anything,
// is for the log.
func (b *Board) question(ctx context.Context, r *Reporter, timeout time.Duration, ask func(context.Context) Report) <-chan Report {
	answer := make(chan Report, 1)
	go func() {
		// A part that heeds its time can say in its own words that it is over.
		bounded, cancel := context.WithTimeout(ctx, timeout-timeout/10)
		defer cancel()
		defer func() {
			if v := recover(); v != nil {
				if !r.isOf(ClassPanic) {
					b.log.WithFields(logrus.Fields{"part": r.name, "stack": string(debug.Stack())}).Errorf("a fault in the program: %v", v)
				}
				answer <- Report{Down, ClassPanic, "the probe of this part ends with a fault of the program, which the log has"}
			}
		}()
		answer <- ask(bounded)
	}()
	return answer
}

// await reports the answer, or that there is none in time; then it waits for
// it, and says nothing of what comes so late. It returns false where ctx ends
// first.
func (b *Board) await(ctx context.Context, r *Reporter, began time.Time, timeout time.Duration, answer <-chan Report) bool {
	late := time.NewTimer(timeout)
	defer late.Stop()
	slow := time.NewTimer(timeout / 3)
	defer slow.Stop()
	for overdue := false; ; {
		select {
		case report := <-answer:
			took := b.now().Sub(began)
			switch {
			case ctx.Err() != nil:
				return true // what ended was the question
			case overdue, report.State == "":
			case report.State == OK && took > timeout/3:
				r.Report(Report{Degraded, ClassSlow, fmt.Sprintf("it answers, but took %s", took.Round(10*time.Millisecond))})
			default:
				r.Report(report)
			}
			return true
		case <-slow.C:
			if r.isWell() {
				r.Report(Report{Degraded, ClassSlow, fmt.Sprintf("it has not answered for %s, and is waited for", (timeout / 3).Round(10*time.Millisecond))})
			}
		case <-late.C:
			overdue = true
			r.Report(Report{Down, ClassTimeout, fmt.Sprintf("it did not answer within %s, and is waited for since %s", timeout, began.UTC().Format("15:04:05Z"))})
			late.Reset(timeout)
		case <-ctx.Done():
			return false
		}
	}
}
