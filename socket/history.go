package socket

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store"
)

// Memory bounds what answers may take together; see engineio.Budget.
type Memory interface {
	Max() int64
	Reserve(n int64) bool
	Release(n int64)
}

// unbounded is a Memory without a bound.
type unbounded struct{}

func (unbounded) Max() int64 { return math.MaxInt64 }

func (unbounded) Reserve(int64) bool { return true }

func (unbounded) Release(int64) {}

// historyBuilders is how many answers about the past are made at one time.
const historyBuilders = 4

var errNoMemory = errors.New("the answers that wait for other dashboards take all memory that is allowed (MAX_MEMORY)")

func (h *Hub) getHistory(ctx context.Context, s *socketio.Socket, r request) error {
	of, err := h.subject(r, messageHistoryFailed)
	if err != nil {
		return err
	}
	q := store.Query{API: of.api.Name, Source: of.source, Limit: r.limit(h.HistoryLimit, h.HistoryMax)}
	var fromErr, toErr error
	q.From, fromErr = r.time("from")
	q.To, toErr = r.time("to")
	if fromErr != nil || toErr != nil {
		return &refusal{message: messageHistoryFailed}
	}
	if err = h.sendHistory(ctx, s, of.written, q); err != nil && !errors.Is(err, socketio.ErrDisconnected) {
		return &refusal{message: messageHistoryFailed, cause: err}
	}
	return err
}

// sendHistory answers a question for rows. source is what the dashboard wrote.
func (h *Hub) sendHistory(ctx context.Context, s *socketio.Socket, source string, q store.Query) error {
	return h.sendPast(ctx, s, question{
		key:      fmt.Sprintf("%d %q %q %d %d %d", h.View.Version(), q.API, source, q.From.UnixMilli(), q.To.UnixMilli(), q.Limit),
		estimate: h.estimate(q),
		build:    func(ctx context.Context, l *lease) (pastAnswer, error) { return h.build(ctx, l, source, q) },
	})
}

// question is one about the past.
type question struct {
	key      string // the same for the same questions
	estimate int    // how large the answer may be
	build    func(context.Context, *lease) (pastAnswer, error)
}

// sendPast answers a question when what the dashboard was answered before leaves
// room for it: one that does not read gets one answer, not many.
func (h *Hub) sendPast(ctx context.Context, s *socketio.Socket, q question) error {
	if err := s.Session().AwaitRoom(ctx, q.estimate); err != nil {
		return err
	}
	if err := h.costs.wait(ctx, s); err != nil {
		return err
	}
	past, err := h.past(ctx, q)
	if err != nil {
		return err
	}
	soon, cancel := context.WithTimeout(ctx, sendPatience)
	defer cancel()
	if err := h.room(soon, past.size); err != nil {
		return err
	}
	defer h.Memory.Release(past.size) // the session counts it from here on
	h.costs.count(s, int(past.size))
	return s.Send(past.event)
}

// estimate returns how large the answer may be, by the values of today.
func (h *Hub) estimate(q store.Query) int {
	row := rowOverhead
	for _, m := range h.View.Known(q.API) {
		row = max(row, len(m.Data)+rowOverhead)
	}
	return min(h.HistoryMaxBytes, q.Limit*row)
}

// pastAnswer is an encoded answer.
type pastAnswer struct {
	event *socketio.Prepared
	size  int64
}

// past makes an answer once for all who have the same question at the same
// moment and know the same changes; one who does not wait any longer does not
// end it for the others.
func (h *Hub) past(ctx context.Context, q question) (pastAnswer, error) {
	answer := h.asking.DoChan(q.key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.Timeout)
		defer cancel()
		// The memory comes first: who waits for it keeps nobody else from
		// making a smaller answer.
		l := h.lease(q.estimate)
		if err := h.room(ctx, l.reserved); err != nil {
			return nil, err
		}
		defer l.end()
		select {
		case h.builders <- struct{}{}:
			defer func() { <-h.builders }()
		case <-ctx.Done():
			return nil, fmt.Errorf("other answers about the past are made first: %w", ctx.Err())
		}
		return q.build(ctx, l)
	})
	select {
	case a := <-answer:
		past, _ := a.Val.(pastAnswer)
		return past, a.Err
	case <-ctx.Done():
		return pastAnswer{}, ctx.Err()
	}
}

// The time between two attempts to get memory, and how long an answer that is
// made waits for it.
const (
	roomInterval = 20 * time.Millisecond
	sendPatience = time.Second
)

// room takes n bytes as soon as they are there.
func (h *Hub) room(ctx context.Context, n int64) error {
	if h.Memory.Reserve(n) {
		return nil
	}
	tick := time.NewTicker(roomInterval)
	defer tick.Stop()
	for !h.Memory.Reserve(n) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errNoMemory
		}
	}
	return nil
}

// lease is the memory of an answer that is being made: that of its rows and its
// text, as they are expected, is taken at the beginning, so that answers wait for
// each other instead of failing together.
type lease struct {
	memory         Memory
	reserved, used int64
}

func (h *Hub) lease(estimate int) *lease {
	expected := 2 * int64(estimate)
	return &lease{memory: h.Memory, reserved: min(expected, h.Memory.Max()/4*3)}
}

// take uses n bytes, and reserves more where the answer is larger than expected.
func (l *lease) take(n int64) error {
	if l.used += n; l.used <= l.reserved {
		return nil
	}
	more := l.used - l.reserved
	if !l.memory.Reserve(more) {
		return errNoMemory
	}
	l.reserved += more
	return nil
}

func (l *lease) end() { l.memory.Release(l.reserved) }

func (h *Hub) build(ctx context.Context, l *lease, source string, q store.Query) (pastAnswer, error) {
	c := collector{most: h.HistoryMaxBytes}
	err := h.scan(ctx, q, func(m store.Metric) error {
		if c.thin == nil { // a thinned answer grows no more
			if err := l.take(int64(len(m.Data) + rowOverhead)); err != nil {
				return err
			}
		}
		c.add(m)
		return nil
	})
	if err != nil {
		return pastAnswer{}, err
	}
	rows, thinned := c.result()
	if err := l.take(l.used); err != nil { // its text
		return pastAnswer{}, err
	}
	text := history(q.API, source, pastRows{rows: rows, thinned: thinned, total: c.total})
	event, err := h.namespace.Prepare(EventHistory, text)
	return pastAnswer{event: event, size: int64(len(text))}, err
}
