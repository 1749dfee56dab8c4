package rollup

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
	"github.com/devops-insights/devops-insights/store/mongostore"
	"github.com/devops-insights/devops-insights/test/wire"
)

// imported is a real store as a history is played to it. Nobody dies between the
// chunks and the mark.
type imported struct {
	realStore
	g *WithT
}

type realStore interface {
	store.Store
	store.Past
}

func openEmbedded(t testing.TB, g *WithT) imported {
	return openEmbeddedAt(t, g, filepath.Join(t.TempDir(), "store.db"))
}

func openEmbeddedAt(t testing.TB, g *WithT, path string) imported {
	s, err := boltstore.Open(boltstore.Options{Path: path, Retention: -1})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = s.Close() })
	return imported{s, g}
}

func (e imported) save(at time.Time, data string, _ time.Time) {
	row := store.Metric{API: "acme", Source: "eu-west", Data: []byte(data), Hash: store.Hash([]byte(data)), CreatedAt: at, UpdatedAt: at}
	e.g.Expect(e.Import(context.Background(), []store.Metric{row})).To(Equal(1))
}

func (e imported) record(all []store.Interval) {
	for i := range all {
		all[i].API, all[i].Source = "acme", "eu-west"
	}
	e.g.Expect(e.PutOutcomes(context.Background(), 1, all)).To(Succeed())
}

func (e imported) dieBeforeMark(bool) {}

// playTo plays a history to a real store and compares what it tells.
func playTo(g *WithT, random *rand.Rand, s imported, length time.Duration) {
	g.THelper()
	h := newModel(random, begin, length)
	live(g, random, h, s)
	inOrder(g, h, s)
	mark, err := s.Mark(context.Background(), "acme", "eu-west")
	g.Expect(err).NotTo(HaveOccurred())
	checkTiers(g, h, s, mark)
	checkSeries(g, random, h, s)
	checkRows(g, h, s)
}

func TestTiersOfTheEmbeddedStoreAreWhatHappened(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			playTo(g, rand.New(rand.NewPCG(seed, 2)), openEmbedded(t, g), 26*time.Hour)
		})
	}
}

func TestTiersOfMongoDBAreWhatHappened(t *testing.T) {
	for name, start := range map[string]func(wire.TB) *wire.Server{
		"a server with transactions": func(tb wire.TB) *wire.Server { return wire.Start(tb) }, "FerretDB": wire.FerretDB,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			s, err := mongostore.Open(ctx, mongostore.Options{URL: start(t).Database(fmt.Sprint("rollup_", os.Getpid())), Retention: 20 * 365 * 24 * time.Hour})
			g.Expect(err).NotTo(HaveOccurred())
			t.Cleanup(func() { _ = s.Close() })
			playTo(g, rand.New(rand.NewPCG(1, 3)), imported{s, g}, 4*time.Hour)
		})
	}
}
