package socket

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store"
)

// refusal is why a question has no answer: what the dashboard hears of it, and
// what the log hears.
type refusal struct {
	message string
	allowed []string // what the dashboard could have asked for; nil: it is not told
	cause   error    // nil: the question was at fault
}

// Error is for the log.
func (r *refusal) Error() string {
	if r.cause != nil {
		return r.cause.Error()
	}
	return r.message
}

func (r *refusal) Unwrap() error { return r.cause }

func (r *refusal) payload() *object {
	o := new(object).text("message", r.message)
	if r.allowed != nil {
		allowed, _ := json.Marshal(r.allowed)
		o.raw("allowed", allowed)
	}
	return o
}

func invalidSource(of store.API) *refusal {
	return &refusal{message: messageInvalidSource, allowed: of.Sources()}
}

// requestIDHeader is where the server, or a proxy before it, has put the id of the
// request that the connection began with.
const requestIDHeader = "X-Request-Id"

// requestID is a new id for an event of a dashboard: that of its handshake with a
// number.
func (h *Hub) requestID(s *socketio.Socket) string {
	id := s.Request().Header.Get(requestIDHeader)
	if id == "" {
		id = shortID(s)
	}
	return id + "-" + strconv.FormatUint(h.refusals.Add(1), 10)
}

// refuse answers a question with an error, and notes it in the log under the id
// that the dashboard is told.
func (h *Hub) refuse(ctx context.Context, event string, s *socketio.Socket, r *refusal) {
	id := h.requestID(s)
	line := h.line(s).WithContext(ctx).WithFields(logrus.Fields{"event": event, "request_id": id})
	payload := r.payload().text("requestId", id)
	if h.Questions != nil {
		if trace := h.Questions.Traceparent(ctx); trace != "" {
			payload.text(traceparentKey, trace)
		}
	}
	err := s.Emit(EventError, payload.json())
	if r.cause == nil && err == nil {
		line.Debugf("a question was refused: %s", r.message)
		return
	}
	h.failed(event, s, line, errors.Join(r.cause, err))
}

// line begins a line about a dashboard.
func (h *Hub) line(s *socketio.Socket) *logrus.Entry {
	return h.Logger.WithFields(logrus.Fields{"socket_id": shortID(s), "address": s.Session().RemoteAddr().String()})
}

// failed logs that an event could not be answered, where that is not because the
// dashboard has gone.
func (h *Hub) failed(event string, s *socketio.Socket, line *logrus.Entry, err error) {
	if err == nil || errors.Is(err, socketio.ErrDisconnected) || s.Context().Err() != nil {
		return
	}
	line = line.WithError(err)
	unsaid, news := h.failures.isNews(event+" "+err.Error(), time.Now())
	if unsaid > 0 {
		line = line.WithField("more", unsaid)
	}
	if !news {
		line.Debug("an event could not be answered, again")
		return
	}
	line.Warn("an event could not be answered")
}
