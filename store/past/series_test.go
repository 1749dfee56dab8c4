package past_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/past"
)

// nothing is a store that keeps nothing.
type nothing struct{}

func (nothing) Scan(context.Context, store.Query, func(store.Metric) error) error { return nil }

func (nothing) Mark(_ context.Context, api, source string) (store.Mark, error) {
	return store.Mark{API: api, Source: source}, nil
}

func (nothing) ScanChunks(context.Context, store.ChunkQuery, func(store.Chunk) error) error {
	return nil
}

func (nothing) ScanOutcomes(context.Context, string, string, time.Time, time.Time, func(store.Interval) error) error {
	return nil
}

func (nothing) LastOutcome(context.Context, string, string) (store.Interval, error) {
	return store.Interval{}, store.ErrNotFound
}

func TestASeriesWithoutABeginHasTheSameStepsAMomentLater(t *testing.T) {
	g := NewWithT(t)
	begin := func(q past.SeriesQuestion, now time.Time) time.Time {
		q.API, q.Source, q.Field = "acme", "eu-west", "n"
		answer, err := past.Series(context.Background(), nothing{}, q, now)
		g.Expect(err).NotTo(HaveOccurred())
		return answer.From
	}
	now := time.Date(2026, 11, 25, 10, 3, 7, 5e6, time.UTC)
	g.Expect(begin(past.SeriesQuestion{Step: time.Hour}, now)).To(Equal(time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)))
	g.Expect(begin(past.SeriesQuestion{Step: time.Hour}, now.Add(time.Minute))).To(Equal(time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)))
	g.Expect(begin(past.SeriesQuestion{}, now)).To(Equal(time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)), "a step of five minutes")
	g.Expect(begin(past.SeriesQuestion{Step: 7 * time.Minute}, time.UnixMilli(-90e6+1))).To(Equal(time.UnixMilli(-176_400_000).UTC()), "before 1970")
	from := now.Add(-time.Hour)
	g.Expect(begin(past.SeriesQuestion{From: from, Step: time.Minute}, now)).To(Equal(from), "what is asked for stays")
}
