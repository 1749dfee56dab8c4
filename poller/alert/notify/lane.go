package notify

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// sayAgain is how often the log tells of a receiver that goes on failing.
const sayAgain = 10 * time.Minute

// errEnded is a request that was cut off because the sender ends.
var errEnded = errors.New("the sender ends")

// lane delivers to one receiver, one request after the other.
type lane struct {
	opts    Options
	target  *target
	log     logrus.FieldLogger
	breaker *breaker
	wake    chan struct{}
	// repeat is nil for webhooks.
	repeat *repeat

	mu        sync.Mutex
	queue     *queue
	notBefore time.Time // as the receiver has asked
	failing   time.Time
	class     string
	failures  int
	said      time.Time
}

func newLane(o Options, t *target) *lane {
	l := &lane{
		opts: o, target: t, log: o.Logger.WithField("receiver", t.Name), breaker: newBreaker(o.Now),
		wake: make(chan struct{}, 1), queue: newQueue(),
	}
	if t.Type == Alertmanager {
		l.repeat = newRepeat(o.Repeat)
	}
	return l
}

// follow takes over what the lane before has told the outbox of.
func (l *lane) follow(before *lane) {
	before.mu.Lock()
	done := maps.Clone(before.queue.done)
	before.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.Copy(l.queue.done, done)
	l.queue.finish()
}

// set hands over what waits in the outbox for this receiver.
func (l *lane) set(pending []alert.Message) {
	l.mu.Lock()
	l.queue.set(pending)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run delivers until ctx ends. A request that is under way then goes on until
// hard ends.
func (l *lane) run(ctx, hard context.Context) {
	for ctx.Err() == nil {
		batch, repeat, next := l.next()
		if (len(batch) > 0 || repeat) && l.opts.MaySend() {
			l.deliver(hard, batch, repeat)
			continue
		}
		if len(batch) > 0 || repeat {
			next = l.opts.Now().Add(time.Second) // it may not be sent now
		}
		l.sleep(ctx, next)
	}
}

// sleep waits for something to do: until next, if that is not zero.
func (l *lane) sleep(ctx context.Context, next time.Time) {
	var due <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(max(next.Sub(l.opts.Now()), time.Millisecond))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-l.wake:
	case <-due:
	}
}

// next returns what is to be sent now, or when there is something to do again.
func (l *lane) next() (batch []alert.Message, repeat bool, next time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.opts.Now()
	closed := later(l.notBefore, l.breaker.opensAt())
	limit := 1
	if l.repeat != nil {
		limit = maxBatch
	}
	batch, next = l.queue.due(now, limit)
	if l.repeat != nil && len(batch) == 0 {
		repeat = !l.repeat.next.After(now)
		next = sooner(next, l.repeat.next)
	}
	if (len(batch) > 0 || repeat || !next.IsZero()) && closed.After(now) {
		return nil, false, later(next, closed)
	}
	return batch, repeat, next
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// deliver sends messages, or else what is repeated, and notes what became of it.
func (l *lane) deliver(ctx context.Context, batch []alert.Message, repeat bool) {
	send := l.request(batch)
	if send == nil { // nothing fires
		l.repeat.idle(l.opts.Now())
		return
	}
	err := l.breaker.run(func() error {
		err := l.guard(func() error { return send(ctx) })
		if err != nil && ctx.Err() != nil {
			return errEnded
		}
		return err
	})
	if errors.Is(err, errEnded) {
		return
	}
	now := l.opts.Now()
	var f *failure
	switch {
	case err == nil:
		l.arrived(batch, now)
	case errors.As(err, &f):
		l.failed(batch, f, now)
	default: // the circuit is open after all
		l.leaveAlone(now.Add(time.Second))
	}
	if repeat {
		l.repeat.done(err == nil, now)
	}
}

// guard makes a fault in the program the failure of one request: one message must
// not end the process, and with it polling.
func (l *lane) guard(send func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			l.opts.Fault("receiver "+l.target.Name, fault)
			err = &failure{class: classPanic, text: "could not be asked, by a fault in the program, of which the log says more", lasting: true}
		}
	}()
	return send()
}

func (l *lane) leaveAlone(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notBefore = until
}

// request returns what sends the messages, or what is repeated where there are
// none; nil: there is nothing to send.
func (l *lane) request(batch []alert.Message) func(context.Context) error {
	if l.repeat == nil {
		return func(ctx context.Context) error { return l.target.tell(ctx, batch[0], l.opts.ExternalURL, l.opts.Now) }
	}
	states := l.states(batch)
	if len(states) == 0 {
		return nil
	}
	return func(ctx context.Context) error {
		for part := range slices.Chunk(states, maxBatch) {
			if err := l.target.tellAlertmanager(ctx, part, l.opts.Now); err != nil {
				return err
			}
		}
		return nil
	}
}

// arrived notes that the receiver has taken messages.
func (l *lane) arrived(batch []alert.Message, now time.Time) {
	l.mu.Lock()
	l.queue.finish(batch...)
	l.queue.ready()
	if l.repeat != nil {
		l.repeat.took(batch)
	}
	failed, since := l.failures, l.failing
	l.failures, l.failing, l.class, l.notBefore = 0, time.Time{}, "", time.Time{}
	l.mu.Unlock()
	if failed > 0 {
		l.log.WithFields(logrus.Fields{"failures": failed, "duration_ms": now.Sub(since).Milliseconds()}).Info("a receiver of alerts takes messages again")
	}
	keys := make([]string, 0, len(batch))
	for _, m := range batch {
		keys = append(keys, m.Key)
		l.log.WithField("message", m.Key).Debug("a message was delivered")
		l.opts.Observer(l.target.Name, Sent)
	}
	if len(keys) > 0 {
		l.opts.Outbox.Delivered(keys...)
	}
}

// failed notes that the receiver has not.
func (l *lane) failed(batch []alert.Message, f *failure, now time.Time) {
	l.mu.Lock()
	l.notBefore = now.Add(f.retryAfter)
	gaveUp := make(map[string]string)
	if f.lasting && len(batch) > 1 {
		l.queue.apart(batch, now)
	} else {
		for _, m := range batch {
			if why := l.queue.failed(m, f, now); why != "" {
				gaveUp[m.Key] = why
				l.queue.finish(m)
			}
		}
	}
	l.mu.Unlock()
	l.complain(f, now)
	for range max(len(batch), 1) {
		l.opts.Observer(l.target.Name, Failed)
	}
	for _, m := range batch {
		if why, ok := gaveUp[m.Key]; ok {
			l.log.WithError(f).WithField("message", m.Key).Error("a message is given up: its receiver does not take it")
			l.opts.Observer(l.target.Name, GivenUp)
			l.opts.Outbox.GaveUp(m.Key, why)
		}
	}
}

// complain logs a failure: the first one, one of another class, and from time to
// time.
func (l *lane) complain(f *failure, now time.Time) {
	l.mu.Lock()
	if l.failing.IsZero() {
		l.failing = now
	}
	l.failures++
	say := f.class != l.class || now.Sub(l.said) >= sayAgain
	if l.class = f.class; say {
		l.said = now
	}
	log := l.log.WithError(f).WithFields(logrus.Fields{"failures": l.failures, "pending": len(l.queue.waiting)})
	l.mu.Unlock()
	if say {
		log.Warn("a receiver of alerts does not take messages; they are tried again")
		return
	}
	log.Debug("a receiver of alerts does not take messages; they are tried again")
}

// status returns how the receiver stands.
func (l *lane) status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := Status{Receiver: l.target.Name, Pending: len(l.queue.waiting), FailingSince: l.failing, Class: l.class}
	for _, m := range l.queue.waiting {
		st.Oldest = sooner(st.Oldest, m.CreatedAt)
	}
	return st
}
