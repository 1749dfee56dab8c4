package engineio

import "slices"

// backlog is the bounded queue of what waits for a client. It is not safe for
// concurrent use: the session's lock guards it.
//
// Control packets (open, ping, pong, noop) go first and are exempt from the
// bound: a client that is slow must not be taken for one that is gone. At most
// one of each kind waits.
type backlog struct {
	control []*Message
	waiting []*Message
	taken   []*Message // by pop, drain or begin, and still being written
	one     [1]*Message
	freed   chan struct{} // closed when room was made; nil while nobody waits
	skipped uint64        // messages that newer ones have replaced
	bytes   int           // of waiting and taken
	limit   int           // bytes
	most    int           // messages
	memory  *Budget
}

// push adds a message and reports whether there was room for it.
func (b *backlog) push(m *Message) bool {
	if m.kind != packetMessage {
		b.control = slices.DeleteFunc(b.control, m.replaces)
		b.control = append(b.control, m)
		return true
	}
	if m.CoalesceKey != "" {
		b.coalesce(m)
	}
	if !b.fits(m) {
		return false
	}
	b.waiting = append(b.waiting, m)
	b.bytes += m.Len()
	m.hold(b.memory)
	return true
}

func (b *backlog) fits(m *Message) bool {
	return b.bytes+m.Len() <= b.limit && len(b.waiting) < b.most
}

// coalesce makes room for m among the messages with its CoalesceKey: two wait at most.
// The first keeps its place, so that a busy key is not put off for ever by its
// own updates; the second gives way to m, and where m does not fit, so does the
// first.
func (b *backlog) coalesce(m *Message) {
	same := func(w *Message) bool { return w.CoalesceKey == m.CoalesceKey }
	first := slices.IndexFunc(b.waiting, same)
	if first < 0 {
		return
	}
	for i := len(b.waiting) - 1; i > first; i-- {
		if same(b.waiting[i]) {
			b.remove(i)
			break
		}
	}
	if !b.fits(m) {
		b.remove(first)
	}
}

func (b *backlog) remove(i int) {
	m := b.waiting[i]
	b.waiting = slices.Delete(b.waiting, i, i+1)
	b.skipped++
	if m.Skipped != nil {
		m.Skipped()
	}
	b.release(m)
}

// release takes a message off the counts.
func (b *backlog) release(m *Message) {
	if m.kind == packetMessage {
		b.bytes -= m.Len()
		m.release()
	}
	if b.freed != nil {
		close(b.freed)
		b.freed = nil
	}
}

// messages returns how many messages wait or are being written.
func (b *backlog) messages() int { return len(b.waiting) + len(b.taken) }

// empty reports whether nothing waits.
func (b *backlog) empty() bool { return len(b.control) == 0 && len(b.waiting) == 0 }

// pop returns the message in front, or nil. It counts until the next pop or
// settle.
func (b *backlog) pop() *Message {
	b.settle()
	from := &b.control
	if len(b.control) == 0 {
		from = &b.waiting
	}
	if len(*from) == 0 {
		*from = nil
		return nil
	}
	m := (*from)[0]
	(*from)[0] = nil
	*from = (*from)[1:]
	b.begun(m)
	return m
}

// begun notes the one message that is being written.
func (b *backlog) begun(m *Message) {
	b.one[0] = m
	b.taken = b.one[:]
}

// drain returns everything that waits. It counts until settle.
func (b *backlog) drain() []*Message {
	b.settle()
	b.taken = append(b.control, b.waiting...)
	b.control, b.waiting = nil, nil
	return b.taken
}

// begin counts a message that is being written and did not wait before.
func (b *backlog) begin(m *Message) {
	b.settle()
	b.begun(m)
	if m.kind == packetMessage {
		b.bytes += m.Len()
		m.hold(b.memory)
	}
}

// settle ends the count of what was being written.
func (b *backlog) settle() {
	for _, m := range b.taken {
		b.release(m)
	}
	b.taken, b.one[0] = nil, nil
}

// clear forgets what waits.
func (b *backlog) clear() {
	for _, m := range b.waiting {
		b.release(m)
	}
	b.control, b.waiting = nil, nil
}
