package poller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// breaker leaves an upstream alone for a while that has failed several times in
// a row, and says meanwhile what has failed.
type breaker struct {
	circuit *gobreaker.CircuitBreaker[json.RawMessage]

	mu    sync.Mutex
	cause *Error    // of the last failure
	until time.Time // the circuit is open
}

func newBreaker(after uint32, coolDown time.Duration) *breaker {
	b := &breaker{}
	b.circuit = gobreaker.NewCircuitBreaker[json.RawMessage](gobreaker.Settings{
		Timeout:     coolDown,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= after },
		IsExcluded:  func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				b.mu.Lock()
				b.until = time.Now().Add(coolDown)
				b.mu.Unlock()
			}
		},
	})
	return b
}

// open reports whether the upstream is left alone now.
func (b *breaker) open() bool { return b.circuit.State() == gobreaker.StateOpen }

// BreakerState says how the circuit breaker of a target stands.
type BreakerState string

// The states of a circuit breaker.
const (
	// BreakerClosed: the upstream is asked as usual.
	BreakerClosed BreakerState = "closed"
	// BreakerHalfOpen: the next question finds out whether it answers again.
	BreakerHalfOpen BreakerState = "half-open"
	// BreakerOpen: it is left alone for a while.
	BreakerOpen BreakerState = "open"
)

// state returns how the circuit stands.
func (b *breaker) state() BreakerState {
	switch b.circuit.State() {
	case gobreaker.StateOpen:
		return BreakerOpen
	case gobreaker.StateHalfOpen:
		return BreakerHalfOpen
	default:
		return BreakerClosed
	}
}

// tests reports whether the question that runs is the one that finds out whether
// the upstream answers again.
func (b *breaker) tests() bool { return b.circuit.State() == gobreaker.StateHalfOpen }

// run asks, unless the circuit is open. The error is an *Error.
func (b *breaker) run(ask func() (json.RawMessage, error)) (json.RawMessage, error) {
	returned := false
	defer func() {
		if !returned { // a panic, which the circuit counts as a failure
			b.note(&Error{Code: CodePanic, Text: panicText})
		}
	}()
	data, err := b.circuit.Execute(ask)
	returned = true
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		return nil, b.leftAlone(err)
	}
	e := requestError(err)
	b.note(e)
	return nil, e
}

// note remembers the last failure.
func (b *breaker) note(e *Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cause = e
}

// leftAlone is the last failure once more, and until when nobody asks again.
func (b *breaker) leftAlone(err error) *Error {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := Error{Code: CodeCircuitOpen, Text: "failed several times in a row"}
	if b.cause != nil {
		e = *b.cause
	}
	e.Cause, e.RetryAfter, e.NotAsked = err, 0, true
	e.Text = fmt.Sprintf("%s; it is asked again at %s", e.Text, b.until.UTC().Format("15:04:05Z"))
	return &e
}
