package tracing

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/devops-insights/devops-insights/store"
)

// ofPoll returns the ids of the root span of the poll whose answer came at a time.
// They are derived from what every store keeps of a change, so that another
// instance that sees it knows the trace that it is part of, with nothing stored
// for that. The hash of the value is no part: a store of values may write, and so
// hash, the same value in another way.
func ofPoll(api, source string, at time.Time) trace.SpanContext {
	sum := sha256.Sum256([]byte(api + "\n" + source + "\n" + strconv.FormatInt(store.Milliseconds(at).UnixMilli(), 10)))
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(sum[:16]), SpanID: trace.SpanID(sum[16:24]),
	})
}

// ofChange returns the ids of the poll that brought the change.
func ofChange(c store.Change) trace.SpanContext { return ofPoll(c.API, c.Source, c.UpdatedAt) }

// chosen is the key of the ids that the next root span is to have.
type chosen struct{}

func withIDs(ctx context.Context, sc trace.SpanContext) context.Context {
	return context.WithValue(ctx, chosen{}, sc)
}

// ids gives a root span the ids of its context, and every other one ids by chance.
type ids struct{}

// NewIDs implements sdk.IDGenerator.
func (g ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if sc, ok := ctx.Value(chosen{}).(trace.SpanContext); ok && sc.IsValid() {
		return sc.TraceID(), sc.SpanID()
	}
	var id trace.TraceID
	for !id.IsValid() {
		binary.BigEndian.PutUint64(id[:8], rand.Uint64()) // #nosec G404 -- ids tell traces apart, and are no secret.
		binary.BigEndian.PutUint64(id[8:], rand.Uint64()) // #nosec G404 -- as above.
	}
	return id, g.NewSpanID(ctx, id)
}

// NewSpanID implements sdk.IDGenerator.
func (ids) NewSpanID(context.Context, trace.TraceID) (id trace.SpanID) {
	for !id.IsValid() {
		binary.BigEndian.PutUint64(id[:], rand.Uint64()) // #nosec G404 -- as above.
	}
	return id
}

var _ sdk.IDGenerator = ids{}
