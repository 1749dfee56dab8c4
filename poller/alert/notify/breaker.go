package notify

import (
	"errors"
	"time"

	"github.com/sony/gobreaker/v2"
)

// A receiver that fails this often in a row is left alone for a while.
const (
	breakAfter = 5
	breakFor   = time.Minute
)

// breaker leaves a receiver alone that does not answer: then one message in a
// while finds out whether it does again, not each of those that wait.
type breaker struct {
	circuit *gobreaker.CircuitBreaker[struct{}]
	until   time.Time // the circuit is open
}

func newBreaker(now func() time.Time) *breaker {
	b := &breaker{}
	b.circuit = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:     breakFor,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakAfter },
		// A receiver that says no, or when to come again, is there.
		IsSuccessful: func(err error) bool {
			var f *failure
			return err == nil || errors.As(err, &f) && (f.lasting || f.retryAfter > 0)
		},
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				b.until = now().Add(breakFor + time.Millisecond)
			}
		},
	})
	return b
}

// opensAt returns until when the receiver is left alone; zero: it is not.
func (b *breaker) opensAt() time.Time {
	if b.circuit.State() == gobreaker.StateOpen {
		return b.until
	}
	return time.Time{}
}

// run asks. It must not be called while the circuit is open.
func (b *breaker) run(ask func() error) error {
	_, err := b.circuit.Execute(func() (struct{}, error) { return struct{}{}, ask() })
	return err
}
