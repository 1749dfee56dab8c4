package api

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/discard"
	"github.com/devops-insights/devops-insights/store/past"
)

// History goes through the rows of the history; see store.Reader.
type History interface {
	Scan(ctx context.Context, q store.Query, each func(store.Metric) error) error
}

// Memory bounds what the answers take that wait for clients; see engineio.Budget.
type Memory interface {
	Reserve(n int64) bool
	Release(n int64)
}

// unbounded is a Memory without a bound.
type unbounded struct{}

func (unbounded) Reserve(int64) bool { return true }

func (unbounded) Release(int64) {}

// Options is what New needs.
type Options struct {
	// Catalog says which APIs and regions can be asked for. It is asked with every
	// question. Required.
	Catalog func() store.Catalog
	// History answers /history, and series of times that no tier has. Required.
	History History
	// Past answers everything else. Nil: those questions are answered with 503.
	Past past.Reader
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Alerting is what AlertRoutes needs.
	Alerting Alerting
	// Logger hears of questions that could not be answered. Nil: nobody does.
	Logger logrus.FieldLogger
	// MaxExports bounds the answers of more than one page that are sent at one
	// time. Zero: 8.
	MaxExports int
	// MaxQuestions bounds the questions that the store answers at one time, and the
	// requests to write. Zero: 8.
	MaxQuestions int
	// Memory bounds what the answers take that are being sent. Nil: nothing does.
	Memory Memory
	// Wait is how long a question waits while others are answered. Zero: 5 s.
	Wait time.Duration
	// Timeout bounds one look into the store. Zero: 10 s.
	Timeout time.Duration
	// Stall is how long a client may take no part of an answer. Zero: 10 s.
	Stall time.Duration
}

func (o Options) withDefaults() Options {
	o.MaxExports = cmp.Or(max(o.MaxExports, 0), 8)
	o.MaxQuestions = cmp.Or(max(o.MaxQuestions, 0), 8)
	o.Wait = cmp.Or(max(o.Wait, 0), 5*time.Second)
	o.Timeout = cmp.Or(max(o.Timeout, 0), 10*time.Second)
	o.Stall = cmp.Or(max(o.Stall, 0), 10*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Memory == nil {
		o.Memory = unbounded{}
	}
	if o.Logger == nil {
		o.Logger = discard.Logger()
	}
	return o
}

// API answers the questions.
type API struct {
	Options
	exports, questions, writes slots
}

// New returns an API; Register gives it its paths.
func New(o Options) *API {
	o = o.withDefaults()
	return &API{Options: o, exports: make(slots, o.MaxExports), questions: make(slots, o.MaxQuestions), writes: make(slots, o.MaxQuestions)}
}

// Register hands every path with its handler to get, which is to serve GET and
// HEAD.
func (a *API) Register(get func(path string, h gin.HandlerFunc)) {
	get("/api/v1/history", a.handle(a.history))
	get("/api/v1/series", a.handle(a.series))
	get("/api/v1/uptime", a.handle(a.uptime))
	get("/api/v1/badge/:region/status.svg", a.handle(a.statusBadge))
	get("/api/v1/badge/:region/uptime/:window", a.handle(a.uptimeBadge))
	get("/api/v1/report", a.handle(a.report))
	get("/api/v1/openapi.json", a.handle(a.openapi))
}

// slots bounds what goes on at one time.
type slots chan struct{}

// take waits for a slot; false: there was none in time.
func (s slots) take(ctx context.Context, wait time.Duration) bool {
	select {
	case s <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case s <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func (s slots) free() { <-s }

// memoryInterval is the time between two attempts to get memory.
const memoryInterval = 20 * time.Millisecond

// reserve takes n bytes as soon as they are there; free gives them back.
func (a *API) reserve(ctx context.Context, n int) (free func(), err error) {
	free = func() { a.Memory.Release(int64(n)) }
	if a.Memory.Reserve(int64(n)) {
		return free, nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.Wait)
	defer cancel()
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	for !a.Memory.Reserve(int64(n)) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, busy("answers")
		}
	}
	return free, nil
}

// errNoPast is the answer of a store that keeps rows alone.
var errNoPast = &problem{status: http.StatusServiceUnavailable, sentence: "The store is not connected yet, or keeps no results of polls: ask again later"}

// aboutPast runs a look into what is kept of the past.
func (a *API) aboutPast(c *gin.Context, look func(context.Context) error) error {
	if a.Past == nil {
		return errNoPast
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.Timeout)
	defer cancel()
	return a.question(ctx, look)
}

// question runs a look into the store when it is its turn.
func (a *API) question(ctx context.Context, look func(context.Context) error) error {
	if !a.questions.take(ctx, a.Wait) {
		return busy("questions")
	}
	defer a.questions.free()
	return look(ctx)
}
