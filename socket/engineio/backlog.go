package engineio

import "slices"

// backlog is the bounded queue of messages that wait for a client. It is not
// safe for concurrent use: the session's lock guards it.
type backlog struct {
	waiting []*Message
	bytes   int
	limit   int // bytes
	most    int // messages
}

// push adds a message and reports whether there was room for it. Past the
// limit an older message with the same Key gives way, so that a slow client
// skips values and ends on the newest one. One message always fits into an
// empty queue, however large.
func (b *backlog) push(m *Message) bool {
	if len(b.waiting) > 0 && (b.bytes+m.size() > b.limit || len(b.waiting) >= b.most) {
		at := -1
		if m.Key != "" {
			at = slices.IndexFunc(b.waiting, func(w *Message) bool { return w.Key == m.Key })
		}
		if at < 0 {
			return false
		}
		b.bytes -= b.waiting[at].size()
		b.waiting = slices.Delete(b.waiting, at, at+1)
	}
	b.waiting = append(b.waiting, m)
	b.bytes += m.size()
	return true
}

// pop removes and returns the message in front, or nil.
func (b *backlog) pop() *Message {
	if len(b.waiting) == 0 {
		b.waiting = nil
		return nil
	}
	m := b.waiting[0]
	b.waiting[0] = nil
	b.waiting = b.waiting[1:]
	b.bytes -= m.size()
	return m
}

// take removes and returns everything that waits.
func (b *backlog) take() []*Message {
	all := b.waiting
	b.waiting, b.bytes = nil, 0
	return all
}
