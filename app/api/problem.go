package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/jsjson"
	"github.com/devops-insights/devops-insights/store/past"
)

// problem is an answer that is an error, with a sentence for who asked.
type problem struct {
	status   int
	sentence string
	allowed  []string // names, where some are
	cause    error    // for the log
}

// Error implements error.
func (p *problem) Error() string { return p.sentence }

// Unwrap returns the cause.
func (p *problem) Unwrap() error { return p.cause }

func badRequest(format string, args ...any) error {
	return &problem{status: http.StatusBadRequest, sentence: fmt.Sprintf(format, args...)}
}

func busy(with string) error {
	return &problem{status: http.StatusServiceUnavailable, sentence: fmt.Sprintf("Too many %s are being answered at this moment: ask again later", with)}
}

// retryAfter is how long a client should wait while the database is away.
const retryAfter = 5 * time.Second

// asProblem says what a client hears of an error.
func asProblem(err error) *problem {
	var p *problem
	var wrong *past.ParamError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &wrong):
		return &problem{status: http.StatusBadRequest, sentence: wrong.Error()}
	case errors.Is(err, store.ErrBadID):
		return &problem{status: http.StatusBadRequest, sentence: `The parameter "cursor" is none that this store has given out: begin without it`, cause: err}
	default:
		return &problem{status: http.StatusServiceUnavailable, sentence: "The history cannot be read at this moment: ask again later", cause: err}
	}
}

// handle makes a handler of a function that may fail before it answers.
func (a *API) handle(answer func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		err := answer(c)
		if err == nil {
			return
		}
		if errors.Is(c.Request.Context().Err(), context.Canceled) {
			c.Abort() // nobody hears the answer
			return
		}
		p := asProblem(err)
		if p.status >= http.StatusInternalServerError {
			c.Header("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
			a.Logger.WithError(cause(p)).WithFields(logrus.Fields{"path": c.Request.URL.Path, "request_id": c.Request.Header.Get("X-Request-Id")}).Warn("a question could not be answered")
		}
		c.Header("Cache-Control", "no-store")
		c.Writer.Header().Del("Etag")
		writeJSON(c, p.status, struct {
			Error   string   `json:"error"`
			Allowed []string `json:"allowed,omitempty"`
		}{p.sentence, p.allowed})
	}
}

func cause(p *problem) error {
	if p.cause != nil {
		return p.cause
	}
	return p
}

// writeJSON writes v as JavaScript would.
func writeJSON(c *gin.Context, status int, v any) {
	body, err := jsjson.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"Internal server error"}`)
	}
	c.Header("Content-Type", typeJSON)
	c.Status(status)
	_, _ = c.Writer.Write(body)
}
