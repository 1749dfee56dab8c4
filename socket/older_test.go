package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
	"github.com/devops-insights/devops-insights/store/rollup"
)

// twoDays has rows of two regions every ten minutes, of which those of the first
// day are in the tiers alone. It returns when each day begins and the store, or
// one without anything in the tiers.
func twoDays(t *testing.T, g *WithT) (first time.Time, s *boltstore.Store) {
	first = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	second := first.Add(24 * time.Hour)
	path := filepath.Join(t.TempDir(), "store.db")
	now := second.Add(30 * time.Hour)
	open := func(retention time.Duration) {
		var err error
		s, err = boltstore.Open(boltstore.Options{Path: path, Retention: retention, Now: func() time.Time { return now }, SweepInterval: 20 * time.Millisecond})
		g.Expect(err).NotTo(HaveOccurred())
	}
	open(-1)
	ctx, cancel := context.WithCancel(context.Background())
	var rows []store.Metric
	for i := range 2 * 144 {
		for n, source := range []string{"eu-west", "us-east"} {
			at := first.Add(time.Duration(i)*10*time.Minute + time.Duration(n)*time.Minute)
			data := []byte(fmt.Sprintf(`{"status":"ok","text":"not kept","n":%d}`, i*10+n))
			rows = append(rows, store.Metric{API: "acme", Source: source, Data: data, Hash: store.Hash(data), CreatedAt: at, UpdatedAt: at})
		}
	}
	_, err := s.Import(ctx, rows)
	g.Expect(err).NotTo(HaveOccurred())
	log := logrus.New()
	log.SetOutput(io.Discard)
	ended := make(chan error, 1)
	runner := rollup.NewRunner(rollup.Options{Store: s, API: "acme", Sources: store.Regions(), Logger: log, Now: func() time.Time { return now }})
	go func() { ended <- runner.Run(ctx) }()
	for _, source := range []string{"eu-west", "us-east"} {
		g.Eventually(func() time.Time {
			m, _ := s.Mark(ctx, "acme", source)
			return m.To
		}, "20s", "10ms").Should(BeTemporally(">=", second.Add(24*time.Hour)))
	}
	cancel()
	g.Expect(<-ended).To(MatchError(context.Canceled))
	g.Expect(s.Close()).To(Succeed())
	open(30 * time.Hour)
	t.Cleanup(func() { _ = s.Close() })
	g.Eventually(func() int {
		kept, _ := store.History(context.Background(), s, store.Query{API: "acme", Limit: 1000})
		return len(kept)
	}, "20s", "10ms").Should(Equal(2 * 144))
	return first, s
}

func TestHistoryThatIsOlderThanItsRowsComesFromTheTiers(t *testing.T) {
	g := NewWithT(t)
	first, s := twoDays(t, g)
	second := first.Add(24 * time.Hour)
	past := func(tiers rollup.Reader, q store.Query) (all []store.Metric) {
		h := &Hub{Options: Options{Catalog: six, History: s, Tiers: tiers}.withDefaults()}
		if q.API = "acme"; q.Limit == 0 {
			q.Limit = 50_000
		}
		g.Expect(h.scan(context.Background(), q, func(m store.Metric) error {
			all = append(all, m)
			return nil
		})).To(Succeed())
		return all
	}
	one := past(s, store.Query{Source: "eu-west", From: first})
	g.Expect(one).To(HaveLen(288))
	for i, m := range one {
		g.Expect(m.CreatedAt).To(Equal(first.Add(time.Duration(287-i) * 10 * time.Minute)))
		g.Expect(m.Source).To(Equal("eu-west"))
		text := `"text":"not kept",`
		if i >= 144 {
			text = ""
		}
		g.Expect(string(m.Data)).To(Equal(fmt.Sprintf(`{"status":"ok",%s"n":%d}`, text, (287-i)*10)))
	}
	all := past(s, store.Query{})
	g.Expect(all).To(HaveLen(2 * 288))
	for i := range all[1:] {
		g.Expect(all[i].CreatedAt).To(BeTemporally(">", all[i+1].CreatedAt))
	}
	g.Expect(past(s, store.Query{Limit: 300})).To(Equal(all[:300]))
	g.Expect(past(s, store.Query{From: first.Add(2 * time.Hour), To: first.Add(3 * time.Hour)})).To(HaveLen(13))

	for _, q := range []store.Query{{From: second}, {Source: "eu-west", From: second}, {Source: "us-east", Limit: 100}, {From: second.Add(time.Hour), To: second.Add(2 * time.Hour)}} {
		g.Expect(past(s, q)).To(Equal(past(nil, q)), "rows are enough")
	}
}

// brokenTiers cannot be read.
type brokenTiers struct{ *boltstore.Store }

var errTiers = errors.New("the tiers cannot be read")

func (brokenTiers) ScanChunks(context.Context, store.ChunkQuery, func(store.Chunk) error) error {
	return errTiers
}

func TestTiersThatCannotBeReadAreAnErrorAndNoShorterHistory(t *testing.T) {
	g := NewWithT(t)
	first, s := twoDays(t, g)
	h := &Hub{Options: Options{Catalog: six, History: s, Tiers: brokenTiers{s}}.withDefaults()}
	nothing := func(store.Metric) error { return nil }
	g.Expect(h.scan(context.Background(), store.Query{API: "acme", Limit: 1000}, nothing)).To(MatchError(errTiers))
	g.Expect(h.scan(context.Background(), store.Query{API: "acme", Source: "eu-west", From: first, Limit: 1000}, nothing)).To(MatchError(errTiers))
	enough := errors.New("enough")
	h.Tiers = s
	n := 0
	g.Expect(h.scan(context.Background(), store.Query{API: "acme", Limit: 1000}, func(store.Metric) error {
		if n++; n == 400 {
			return enough
		}
		return nil
	})).To(MatchError(enough))
}
