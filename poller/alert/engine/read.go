package engine

import (
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
)

// Content is what a ledger shows.
type Content struct {
	// Alerts are those that are pending or firing, and those that were resolved a
	// short while ago: the newest first by when they became pending.
	Alerts []alert.Alert
	// Queues has each receiver for which messages wait.
	Queues []Queue
	// Problems are the rules that cannot be evaluated.
	Problems []Problem
}

// Queue is what waits for a receiver.
type Queue struct {
	Receiver string
	// Pending is the number of messages, and Oldest when the first of them came.
	Pending int
	Oldest  time.Time
}

// Problem is a rule that cannot be evaluated.
type Problem struct {
	Rule string `json:"rule"`
	// Region is empty for a rule over all regions.
	Region string `json:"region,omitempty"`
	// Sentence says why.
	Sentence string `json:"sentence"`
	// Count is how often it could not.
	Count int64 `json:"count"`
}

// Read returns what a ledger shows. A ledger that cannot be read is an error.
func Read(l store.Ledger) (Content, error) {
	s, err := decode(l.Data)
	if err != nil {
		return Content{}, err
	}
	return s.content(), nil
}

// content returns what is shown.
func (s *state) content() Content {
	c := Content{Problems: s.Problems}
	for _, e := range s.Alerts {
		if !e.Hidden {
			c.Alerts = append(c.Alerts, e.Alert)
		}
	}
	slices.SortStableFunc(c.Alerts, func(a, b alert.Alert) int { return b.PendingAt.Compare(a.PendingAt) })
	for _, m := range s.Outbox {
		i := slices.IndexFunc(c.Queues, func(q Queue) bool { return q.Receiver == m.Receiver })
		if i < 0 {
			i = len(c.Queues)
			c.Queues = append(c.Queues, Queue{Receiver: m.Receiver, Oldest: m.CreatedAt})
		}
		c.Queues[i].Pending++
	}
	return c
}
