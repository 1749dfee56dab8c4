package tracing

import (
	"context"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// nowhere is an exporter that forgets.
type nowhere struct{}

func (nowhere) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return nil }
func (nowhere) Shutdown(context.Context) error                        { return nil }

// What recording costs for a poll, and for a broadcast to a room of any size. Where
// nothing is recorded the hooks are not set.
func BenchmarkRecord(b *testing.B) {
	for name, sampler := range map[string]string{"recorded": "always_on", "not-sampled": "always_off"} {
		t, err := New(Options{Exporter: nowhere{}, Sampler: sampler})
		if err != nil {
			b.Fatal(err)
		}
		b.Run("poll/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ctx, done := t.Poll(b.Context(), answer(time.Now()))
				_, saved := t.Began(ctx, "save", "acme", "eu-west")
				saved(nil)
				done(answer(asked))
			}
		})
		b.Run("broadcast/"+name, func(b *testing.B) {
			b.ReportAllocs()
			_, done := t.Poll(b.Context(), answer(asked))
			done(answer(asked))
			for b.Loop() {
				t.Sending(change(asked), true)(nil)
			}
		})
		if err := t.Shutdown(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
