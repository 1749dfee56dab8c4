package notify

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// How messages that do not arrive are tried again.
const (
	firstWait = time.Second
	maxWait   = 5 * time.Minute
	// giveUpAfter is how old a message may get.
	giveUpAfter = 24 * time.Hour
	// A message that the receiver does not want is tried this often and at least
	// this long: somebody may mend the settings meanwhile.
	lastingTries = 10
	lastingFor   = time.Hour
)

// try is what is known of a message that has not arrived yet.
type try struct {
	n, lasting  int
	first, next time.Time
	alone       bool // it is not sent with others
	wasLasting  bool // the last failure was
}

// queue holds the messages of one receiver in order. The messages of one alert
// wait for each other: a receiver must never hear that the alert of before is
// resolved when it already knows that it fires again.
type queue struct {
	waiting []alert.Message
	tries   map[string]*try
	// done are those that the outbox has been told of, and may still hold.
	done map[string]bool
}

func newQueue() *queue {
	return &queue{tries: make(map[string]*try), done: make(map[string]bool)}
}

// set replaces what waits by what the outbox holds.
func (q *queue) set(pending []alert.Message) {
	tries, done := make(map[string]*try), make(map[string]bool)
	q.waiting = q.waiting[:0]
	for _, m := range pending {
		if q.done[m.Key] {
			done[m.Key] = true
			continue
		}
		q.waiting = append(q.waiting, m)
		if t := q.tries[m.Key]; t != nil {
			tries[m.Key] = t
		}
	}
	q.tries, q.done = tries, done
}

// due returns the messages that can be sent at once together, at most limit, and
// when the next one is due otherwise; zero: none waits.
func (q *queue) due(now time.Time, limit int) (batch []alert.Message, next time.Time) {
	seen := make(map[string]bool)
	for _, m := range q.waiting {
		if seen[m.Alert.ID] {
			continue
		}
		seen[m.Alert.ID] = true
		t := q.tries[m.Key]
		switch {
		case t != nil && t.next.After(now):
			if next.IsZero() || t.next.Before(next) {
				next = t.next
			}
		case t != nil && t.alone:
			if len(batch) == 0 {
				return []alert.Message{m}, time.Time{}
			}
			next = now
		default:
			if batch = append(batch, m); len(batch) == limit {
				return batch, time.Time{}
			}
		}
	}
	return batch, next
}

// waits reports whether messages of an alert wait.
func (q *queue) waits(id string) bool {
	return slices.ContainsFunc(q.waiting, func(m alert.Message) bool { return m.Alert.ID == id })
}

// finish takes messages out that have arrived or are given up.
func (q *queue) finish(batch ...alert.Message) {
	for _, m := range batch {
		q.done[m.Key] = true
		delete(q.tries, m.Key)
	}
	q.waiting = slices.DeleteFunc(q.waiting, func(m alert.Message) bool { return q.done[m.Key] })
}

// failed notes a try. It returns why the message is given up, if it is.
func (q *queue) failed(m alert.Message, f *failure, now time.Time) (why string) {
	t := q.tries[m.Key]
	if t == nil {
		t = &try{first: now}
		q.tries[m.Key] = t
	}
	t.n++
	t.wasLasting = f.lasting
	if f.lasting {
		t.lasting++
	}
	t.next = now.Add(wait(t.n))
	switch {
	case now.Sub(m.CreatedAt) >= giveUpAfter:
		return fmt.Sprintf("the receiver %s; it was tried for a day", f.text)
	case t.lasting >= lastingTries && now.Sub(t.first) >= lastingFor:
		return fmt.Sprintf("the receiver %s; it was tried %d times", f.text, t.n)
	}
	return ""
}

// apart makes each of the messages be sent alone, at once: one of them is what
// the receiver does not want.
func (q *queue) apart(batch []alert.Message, now time.Time) {
	for _, m := range batch {
		q.tries[m.Key] = &try{first: now, next: now, alone: true}
	}
}

// ready makes everything be tried at once that only waits for the receiver to be
// well again.
func (q *queue) ready() {
	for _, t := range q.tries {
		if !t.wasLasting {
			t.next = time.Time{}
		}
	}
}

// wait is how long to wait after the n-th failure: twice as long each time, with
// up to half of it left out by chance, so that not all come back at once.
func wait(n int) time.Duration {
	d := maxWait
	if n < 10 {
		d = min(firstWait<<n, maxWait)
	}
	return d/2 + rand.N(d/2+1)
}
