package tracing

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// queueSize is how many spans may wait for the collector: what is more is lost.
const queueSize = 2048

// exporter counts what becomes of the spans and says so in the log. It never fails:
// an error would end on stderr, by way of a handler that all of the process shares.
type exporter struct {
	inner sdk.SpanExporter
	log   logrus.FieldLogger
	life  context.Context // ends when nothing is to be sent any more
	abort context.CancelFunc

	waiting    atomic.Int64
	sent, lost atomic.Uint64

	mu    sync.Mutex
	said  time.Time // when the log was told of a loss last
	since uint64    // what was lost before that
	bad   bool      // the log was told of a loss, and not of its end
}

func newExporter(inner sdk.SpanExporter, log logrus.FieldLogger) *exporter {
	e := &exporter{inner: inner, log: log}
	e.life, e.abort = context.WithCancel(context.Background())
	return e
}

// ExportSpans implements sdk.SpanExporter.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.life, cancel)()
	defer e.waiting.Add(-int64(len(spans)))
	err := e.inner.ExportSpans(ctx, spans)
	rejected := uint64(0)
	if partial := (*partialError)(nil); errors.As(err, &partial) {
		rejected = min(partial.rejected, uint64(len(spans)))
	} else if err != nil {
		rejected = uint64(len(spans))
	}
	e.sent.Add(uint64(len(spans)) - rejected)
	e.lost.Add(rejected)
	e.report(err)
	return nil
}

// Shutdown implements sdk.SpanExporter.
func (e *exporter) Shutdown(ctx context.Context) error {
	e.abort()
	return e.inner.Shutdown(ctx)
}

// quiet is the least time between two lines about spans that are lost.
const quiet = time.Minute

// report tells the log where spans begin to be lost, and where that ends.
func (e *exporter) report(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	lost, now := e.lost.Load(), time.Now()
	switch losing := lost > e.since; {
	case e.bad && err == nil && !losing:
		e.bad = false
		e.log.WithField("spans_lost", lost).Info("traces are sent to the collector again")
	case (losing || err != nil) && !e.bad && (e.said.IsZero() || now.Sub(e.said) >= quiet):
		e.bad, e.said = true, now
		if err == nil {
			err = errors.New("it takes them too slowly")
		}
		e.log.WithError(err).WithField("spans_lost", lost).Warn("traces are lost: the collector does not take them; nothing else waits for it")
	}
	e.since = lost
}

// queue bounds the spans that wait, and counts those that find no place. The SDK's
// own batches do not tell of them.
type queue struct {
	sdk.SpanProcessor
	exporter *exporter
}

func newQueue(e *exporter) queue {
	return queue{sdk.NewBatchSpanProcessor(e, sdk.WithMaxQueueSize(queueSize)), e}
}

// OnEnd implements sdk.SpanProcessor.
func (q queue) OnEnd(s sdk.ReadOnlySpan) {
	if q.exporter.waiting.Add(1) > queueSize {
		q.exporter.waiting.Add(-1)
		q.exporter.lost.Add(1)
		return
	}
	q.SpanProcessor.OnEnd(s)
}
