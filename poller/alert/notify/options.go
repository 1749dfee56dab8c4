package notify

import (
	"cmp"
	"net/http"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store/discard"
)

// Outbox is where committed messages wait.
type Outbox interface {
	// Pending returns the messages that are committed and not delivered, oldest
	// first. They are not changed afterwards.
	Pending() []alert.Message
	// Wake receives when Pending has changed.
	Wake() <-chan struct{}
	// Delivered says that receivers have taken messages; GaveUp that one is not
	// tried any more, and why, in a sentence without secrets. Neither waits.
	Delivered(keys ...string)
	GaveUp(key, why string)
}

// Firing is what an Alertmanager is told again and again, because it takes an
// alert that it does not hear of any more for resolved.
type Firing interface {
	// Firing returns the alerts that fire and that the receiver has been told of,
	// also those that have been suppressed since: if they were left out, the
	// Alertmanager would say that they are resolved.
	Firing(receiver string) []alert.Alert
}

// Result is what became of a try to deliver, for metrics.
type Result string

// The results.
const (
	// Sent is a message that the receiver has taken.
	Sent Result = "sent"
	// Failed is a try that did not succeed, and comes again.
	Failed Result = "failed"
	// GivenUp is a message that is not tried any more.
	GivenUp Result = "given_up"
)

// Options configures a Sender. Outbox is required.
type Options struct {
	// Receivers are those that messages may name, see Sender.Update.
	Receivers []Receiver
	Outbox    Outbox
	// Firing is asked for what Alertmanagers are told again. Nil: nothing is.
	Firing Firing
	// MaySend is asked right before each request. Nil: it always may be sent.
	MaySend func() bool
	// ExternalURL is where people reach this server, for links; empty: no links.
	ExternalURL string
	// Transport carries the requests. Nil: each receiver has connections of its own.
	Transport http.RoundTripper
	// Grace is how long a request that is under way when Run ends may take to
	// find its end. Zero: 2 s.
	Grace time.Duration
	// Repeat is how often an Alertmanager is told what fires. What it is told holds
	// for 5 minutes. Zero, or more than that: every minute.
	Repeat time.Duration
	// Now is the time of day; nil: time.Now.
	Now func() time.Time
	// Observer is told of each result. Nil: nobody is.
	Observer func(receiver string, r Result)
	// Fault is told of a part that panicked, in the goroutine that it happened in.
	// Nil: nobody is.
	Fault func(part string, fault any)
	// Logger is told of receivers that fail and that are well again. Nil: nobody is.
	Logger logrus.FieldLogger
}

func (o Options) withDefaults() Options {
	o.Grace = cmp.Or(max(o.Grace, 0), 2*time.Second)
	if o.Repeat <= 0 || o.Repeat > repeatEvery {
		o.Repeat = repeatEvery
	}
	if o.MaySend == nil {
		o.MaySend = func() bool { return true }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Observer == nil {
		o.Observer = func(string, Result) {}
	}
	if o.Fault == nil {
		o.Fault = func(string, any) {}
	}
	if o.Logger == nil {
		o.Logger = discard.Logger()
	}
	return o
}

// Status is how a receiver stands.
type Status struct {
	Receiver string
	// Pending is the number of messages that wait; Oldest is when the oldest of
	// them was made, zero where none waits.
	Pending int
	Oldest  time.Time
	// FailingSince is when the first of the tries failed that have failed since the
	// last success; zero: the last one succeeded, or there was none.
	FailingSince time.Time
	// Class is the class of the last failure, such as TIMEOUT, REFUSED, HTTP_503 or
	// TEMPLATE; empty where it does not fail.
	Class string
}
