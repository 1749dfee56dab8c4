package socket

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

// Question is what a dashboard asks, as a QuestionObserver is told of it. What the
// dashboard wrote is not checked.
type Question struct {
	Event, Namespace string
	// Traceparent is the member of this name in the question, and Handshake the
	// header of the connection's handshake, or the member of its auth payload:
	// pages cannot set a websocket's headers. Empty: there is none.
	Traceparent, Handshake string
}

// QuestionObserver is told of the questions that take a look into the store.
type QuestionObserver interface {
	// Asked is told of a question before it is answered. The context that it returns
	// goes with the answering, and answered is called after it, with what kept the
	// server from it. A question that is at fault itself is answered without an error.
	Asked(ctx context.Context, q Question) (_ context.Context, answered func(error))
	// Traceparent names the trace of such a context, for the dashboard; empty: it is
	// told of none.
	Traceparent(ctx context.Context) string
}

// observe tells the observer of a question.
func (h *Hub) observe(ctx context.Context, event string, s *socketio.Socket, r request) (_ context.Context, answered func(error)) {
	if h.Questions == nil {
		return ctx, func(error) {}
	}
	ctx, done := h.Questions.Asked(ctx, Question{
		Event: event, Namespace: s.Namespace().Name(), Traceparent: shortText(r[traceparentKey]), Handshake: handshakeTrace(s),
	})
	return ctx, func(err error) {
		if no := (*refusal)(nil); errors.As(err, &no) {
			err = no.cause
		}
		if errors.Is(err, socketio.ErrDisconnected) {
			err = nil
		}
		done(err)
	}
}

// traceparentKey is the member of questions and errors that names a trace, as the
// header of W3C Trace Context does.
const traceparentKey = "traceparent"

// What is longer is no traceparent, or an auth payload that holds other things.
const (
	longestTraceparent = 256
	longestAuth        = 4096
)

// shortText reads a JSON text; empty where it is none, or a long one.
func shortText(raw json.RawMessage) (text string) {
	if len(raw) > longestTraceparent || json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

func handshakeTrace(s *socketio.Socket) string {
	if header := s.Request().Header.Values(traceparentKey); len(header) == 1 && len(header[0]) <= longestTraceparent {
		return header[0]
	}
	var auth map[string]json.RawMessage
	if raw := s.Auth(); len(raw) == 0 || len(raw) > longestAuth || json.Unmarshal(raw, &auth) != nil {
		return ""
	}
	return shortText(auth[traceparentKey])
}
