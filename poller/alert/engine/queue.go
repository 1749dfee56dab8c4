package engine

import "time"

// queue holds the polls that wait to be looked at, while the store is slow.
type queue struct {
	polls []poll
	bytes int
	lost  int // that were too many
}

const (
	// maxQueued bounds the polls that wait, and maxQueuedBytes their values.
	maxQueued      = 10_000
	maxQueuedBytes = 16 << 20
)

func (q *queue) add(p poll) {
	q.polls = append(q.polls, p)
	q.bytes += len(p.data)
	for len(q.polls) > maxQueued || q.bytes > maxQueuedBytes && len(q.polls) > 1 {
		q.bytes -= len(q.polls[0].data)
		q.polls[0] = poll{}
		q.polls = q.polls[1:]
		q.lost++
	}
}

// take empties the queue.
func (q *queue) take() (polls []poll, lost int) {
	polls, lost = q.polls, q.lost
	*q = queue{}
	return polls, lost
}

// done is what became of a message.
type done struct {
	passed time.Duration
	why    string // it was given up; empty: it was delivered
}
