package mongostore

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/test/wire"
)

// servers are those that the past is kept on: with transactions and change
// streams, and without.
var servers = map[string]func() *wire.Server{
	"SecantusDB": func() *wire.Server { return wire.Start(GinkgoTB()) },
	"FerretDB":   func() *wire.Server { return wire.FerretDB(GinkgoTB()) },
}

var pastStart = time.Date(2026, 11, 24, 3, 45, 0, 0, time.UTC)

// minutes is a time so many minutes later.
func minutes(n int) time.Time { return pastStart.Add(time.Duration(n) * time.Minute) }

func intervalOf(from, to int, state store.State) store.Interval {
	return store.Interval{
		API: "acme", Source: "eu-west", From: minutes(from), To: minutes(to), Until: minutes(to + 1), State: state,
		Reason: "because", Polls: int64(to - from), Failures: 1, Latency: []byte{1, 2, byte(to)},
	}
}

// intervalsOf returns what is stored, as "from-to state".
func intervalsOf(ctx context.Context, s *Store, from, to time.Time) (all []string) {
	GinkgoHelper()
	Expect(s.ScanOutcomes(ctx, "acme", "eu-west", from, to, func(i store.Interval) error {
		all = append(all, fmt.Sprintf("%v-%v %s", i.From.Sub(pastStart).Minutes(), i.To.Sub(pastStart).Minutes(), i.State))
		return nil
	})).To(Succeed())
	return all
}

func chunkOf(hour int, text string) store.Chunk {
	return store.Chunk{API: "acme", Source: "eu-west", Field: "load", Tier: store.TierMinute, Start: pastStart.Truncate(time.Hour).Add(time.Duration(hour) * time.Hour), Data: []byte(text)}
}

func chunksOf(ctx context.Context, s *Store) (all []string) {
	GinkgoHelper()
	Expect(s.ScanChunks(ctx, store.ChunkQuery{API: "acme", Source: "eu-west", Field: "load", Tier: store.TierMinute}, func(c store.Chunk) error {
		all = append(all, fmt.Sprint(c.Start.Sub(pastStart.Truncate(time.Hour)).Hours(), " ", string(c.Data)))
		return nil
	})).To(Succeed())
	return all
}

func markOf(ctx context.Context, s *Store) store.Mark {
	GinkgoHelper()
	m, err := s.Mark(ctx, "acme", "eu-west")
	Expect(err).NotTo(HaveOccurred())
	return m
}

// put writes chunks on top of what is there.
func put(ctx context.Context, s *Store, term int64, to time.Time, chunks ...store.Chunk) error {
	m := markOf(ctx, s)
	m.To, m.Fields = to, []string{"load"}
	return s.PutChunks(ctx, term, m, chunks)
}

var _ = Describe("the past", func() {
	for name, start := range servers {
		Context("on "+name, Ordered, ContinueOnFailure, func() {
			var (
				server *wire.Server
				count  int
				uri    string
				s      *Store
			)
			BeforeAll(func() { server = start() })
			BeforeEach(func() {
				count++
				uri = server.Database(fmt.Sprintf("past_%d", count))
				s = open(uri)
			})

			It("keeps intervals, each in the place of the one that began at the same time", func(ctx SpecContext) {
				_, err := s.LastOutcome(ctx, "acme", "eu-west")
				Expect(err).To(MatchError(store.ErrNotFound))
				up, down := intervalOf(0, 3, store.StateUp), intervalOf(3, 5, store.StateDown)
				Expect(s.PutOutcomes(ctx, 1, []store.Interval{up})).To(Succeed())
				Expect(s.LastOutcome(ctx, "acme", "eu-west")).To(Equal(up))
				Expect(s.PutOutcomes(ctx, 1, []store.Interval{intervalOf(0, 2, store.StateUp), down})).To(Succeed())
				Expect(s.LastOutcome(ctx, "acme", "eu-west")).To(Equal(down))
				Expect(intervalsOf(ctx, s, time.Time{}, time.Time{})).To(Equal([]string{"0-2 up", "3-5 down"}))
				Expect(s.PutOutcomes(ctx, 1, []store.Interval{up, intervalOf(5, 9, store.StateUp)})).To(Succeed())
				Expect(intervalsOf(ctx, s, time.Time{}, time.Time{})).To(Equal([]string{"0-3 up", "3-5 down", "5-9 up"}))
				Expect(intervalsOf(ctx, s, minutes(3), minutes(5))).To(Equal([]string{"3-5 down"}))
				Expect(intervalsOf(ctx, s, minutes(2), minutes(6))).To(Equal([]string{"0-3 up", "3-5 down", "5-9 up"}))
				Expect(intervalsOf(ctx, s, minutes(9), time.Time{})).To(BeEmpty())
				Expect(intervalsOf(ctx, s, time.Time{}, minutes(0))).To(BeEmpty())
				again := open(uri)
				Expect(intervalsOf(ctx, again, minutes(4), time.Time{})).To(Equal([]string{"3-5 down", "5-9 up"}))
			})

			It("keeps more intervals of several regions than fit into one write", func(ctx SpecContext) {
				var all []store.Interval
				for n := range 110 {
					for _, source := range []string{"eu-west", "us-east"} {
						i := intervalOf(n, n+1, store.StateUp)
						i.Source = source
						all = append(all, i)
					}
				}
				rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
				Expect(s.PutOutcomes(ctx, 1, all)).To(Succeed())
				Expect(intervalsOf(ctx, s, time.Time{}, time.Time{})).To(HaveLen(110))
				Expect(intervalsOf(ctx, s, minutes(100), minutes(103))).To(Equal([]string{"100-101 up", "101-102 up", "102-103 up"}))
			})

			It("shows what a writer that died in the middle had stored, and the next one goes on", func(ctx SpecContext) {
				Expect(s.PutOutcomes(ctx, 1, []store.Interval{intervalOf(0, 1, store.StateUp), intervalOf(1, 2, store.StateDown)})).To(Succeed())
				// The head as it is between the two writes of a transition.
				h, err := s.head(ctx, regionID{"acme", "eu-west"})
				Expect(err).NotTo(HaveOccurred())
				died := h.with(h.ID, []interval{newInterval(intervalOf(2, 3, store.StateUp))}, 1, bson.NewObjectID())
				_, err = s.heads.ReplaceOne(ctx, h.filter(), died)
				Expect(err).NotTo(HaveOccurred())
				want := []string{"0-1 up", "1-2 down", "2-3 up"}
				Expect(intervalsOf(ctx, s, time.Time{}, time.Time{})).To(Equal(want))
				Expect(s.PutOutcomes(ctx, 2, []store.Interval{intervalOf(2, 3, store.StateUp)})).To(Succeed())
				Expect(intervalsOf(ctx, s, time.Time{}, time.Time{})).To(Equal(want))
				Expect(s.outcomes.CountDocuments(ctx, bson.D{})).To(BeEquivalentTo(2))
				Expect(s.settle(ctx, []head{died}, true)).To(Succeed(), "that which wakes up changes nothing")
				Expect(intervalsOf(ctx, s, time.Time{}, time.Time{})).To(Equal(want))
			})

			It("stores nothing of a writer whose term is over, however the two get in each other's way", func(ctx SpecContext) {
				if name == "FerretDB" {
					Skip("FerretDB 1 does not compare and change a document in one step: of eight writers that count up by comparing nearly all believe that they were first")
				}
				old, next := open(uri), open(uri)
				for round := range 5 {
					var writers sync.WaitGroup
					base := round * 100
					var after []string
					writers.Go(func() {
						defer GinkgoRecover()
						for n := range 20 {
							err := old.PutOutcomes(ctx, int64(2*round+1), []store.Interval{
								intervalOf(base+n, base+n+1, store.StateDown), intervalOf(base, base+1, store.StateDegraded),
							})
							if err != nil {
								Expect(err).To(MatchError(store.ErrFenced))
							}
						}
					})
					writers.Go(func() {
						defer GinkgoRecover()
						time.Sleep(rand.N(20 * time.Millisecond)) // any moment
						Expect(next.PutOutcomes(ctx, int64(2*round+2), []store.Interval{intervalOf(base+50, base+51, store.StateUp)})).To(Succeed())
						after = intervalsOf(ctx, next, time.Time{}, time.Time{})
					})
					writers.Wait()
					Expect(old.PutOutcomes(ctx, int64(2*round+1), []store.Interval{intervalOf(base+60, base+61, store.StateDown)})).To(MatchError(store.ErrFenced))
					Expect(intervalsOf(ctx, s, time.Time{}, time.Time{})).To(Equal(after))
				}
			})

			It("keeps chunks, each in the place of the one before, and the mark by comparing", func(ctx SpecContext) {
				Expect(markOf(ctx, s)).To(Equal(store.Mark{API: "acme", Source: "eu-west"}))
				Expect(put(ctx, s, 1, minutes(60), chunkOf(0, "a"), chunkOf(1, "b"))).To(Succeed())
				m := markOf(ctx, s)
				Expect(m.To).To(Equal(minutes(60)))
				Expect(m.Fields).To(Equal([]string{"load"}))
				Expect(put(ctx, s, 1, minutes(70), chunkOf(1, "bb"))).To(Succeed())
				Expect(chunksOf(ctx, s)).To(Equal([]string{"0 a", "1 bb"}))
				Expect(s.PutChunks(ctx, 1, m, []store.Chunk{chunkOf(1, "b")})).To(MatchError(store.ErrConflict))
				Expect(markOf(ctx, s).To).To(Equal(minutes(70)))
				Expect(put(ctx, s, 3, minutes(80), chunkOf(1, "bbb"), chunkOf(2, "c"))).To(Succeed())
				Expect(put(ctx, s, 2, minutes(90), chunkOf(1, "x"))).To(MatchError(store.ErrFenced))
				Expect(chunksOf(ctx, open(uri))).To(Equal([]string{"0 a", "1 bbb", "2 c"}))
				Expect(markOf(ctx, s).To).To(Equal(minutes(80)))
				Expect(put(ctx, s, 3, minutes(81))).To(Succeed(), "without chunks")
			})

			It("shows no chunk that an older term writes after a newer one, neither a new one nor one that is there", func(ctx SpecContext) {
				Expect(put(ctx, s, 1, minutes(60), chunkOf(0, "a"), chunkOf(1, "b"))).To(Succeed())
				m := markOf(ctx, s)
				m.To = minutes(120)
				// The older one has claimed its write, and stands still.
				claimed, err := s.claim(ctx, 1, m, []store.Chunk{chunkOf(0, "old"), chunkOf(1, "old"), chunkOf(7, "old")})
				Expect(err).NotTo(HaveOccurred())
				next := open(uri)
				Expect(put(ctx, next, 2, minutes(130), chunkOf(1, "bb"), chunkOf(2, "cc"))).To(Succeed())
				want := []string{"0 a", "1 bb", "2 cc"}
				Expect(chunksOf(ctx, s)).To(Equal(want))
				for _, c := range []store.Chunk{chunkOf(0, "old"), chunkOf(1, "old"), chunkOf(7, "old")} {
					document, update := putChunk(c, claimed.Claim)
					_, err := insertOrUpdate(ctx, s.chunks, []any{document}, []mongo.WriteModel{update})
					Expect(err).NotTo(HaveOccurred())
				}
				Expect(chunksOf(ctx, s)).To(Equal(want))
				Expect(s.PutChunks(ctx, 1, m, nil)).To(MatchError(store.ErrFenced))
				Expect(put(ctx, next, 2, minutes(500), chunkOf(7, "new"))).To(Succeed())
				Expect(chunksOf(ctx, s)).To(Equal(append(want, "7 new")))
			})

			It("has the chunks of the later term alone after a takeover, however the two get in each other's way", func(ctx SpecContext) {
				if name == "FerretDB" {
					Skip("FerretDB 1 does not compare and change a document in one step")
				}
				old, next := open(uri), open(uri)
				Expect(put(ctx, s, 1, minutes(1), chunkOf(0, "0"), chunkOf(1, "0"))).To(Succeed())
				for round := range 5 {
					var writers sync.WaitGroup
					var after []string
					text := fmt.Sprint("new ", round)
					writers.Go(func() {
						defer GinkgoRecover()
						for n := range 10 {
							err := put(ctx, old, int64(2*round+1), minutes(round+1), chunkOf(n%3, fmt.Sprint("old ", round, n)), chunkOf(10*round+n, "old"))
							if err != nil {
								Expect(err).To(Or(MatchError(store.ErrFenced), MatchError(store.ErrConflict)))
							}
						}
					})
					writers.Go(func() {
						defer GinkgoRecover()
						time.Sleep(rand.N(20 * time.Millisecond)) // any moment
						Eventually(func() error {
							return put(ctx, next, int64(2*round+2), minutes(round+1), chunkOf(0, text), chunkOf(1, text))
						}, "20s").Should(Succeed())
						after = chunksOf(ctx, next)
					})
					writers.Wait()
					Expect(after).To(ContainElements("0 "+text, "1 "+text))
					Expect(chunksOf(ctx, s)).To(Equal(after))
				}
			})

			It("goes on where the marks or the newest intervals were lost", func(ctx SpecContext) {
				for n := range 3 {
					Expect(put(ctx, s, 5, minutes(n), chunkOf(0, "a"), chunkOf(1, fmt.Sprint("b", n)))).To(Succeed())
					Expect(s.PutOutcomes(ctx, 5, []store.Interval{intervalOf(n, n+1, store.StateDown)})).To(Succeed())
				}
				Expect(s.marks.Drop(ctx)).To(Succeed())
				Expect(s.heads.Drop(ctx)).To(Succeed())
				Expect(put(ctx, s, 1, minutes(1), chunkOf(1, "c"))).To(Succeed())
				Expect(chunksOf(ctx, s)).To(Equal([]string{"0 a", "1 c"}))
				Expect(s.PutOutcomes(ctx, 1, []store.Interval{intervalOf(1, 2, store.StateUp), intervalOf(5, 6, store.StateUp)})).To(Succeed())
				Expect(intervalsOf(ctx, s, time.Time{}, time.Time{})).To(Equal([]string{"0-1 down", "1-2 up", "5-6 up"}))
			})

			It("takes the mark back for a late row, and lets nobody overlook it", func(ctx SpecContext) {
				save := func(n int, at time.Time) {
					GinkgoHelper()
					Expect(s.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(fmt.Sprint(n)), At: at})).To(BeTrue())
				}
				save(1, minutes(0))
				Expect(put(ctx, s, 1, minutes(60), chunkOf(0, "a"))).To(Succeed())
				read := markOf(ctx, s)
				save(2, minutes(30).Add(20*time.Second))
				Expect(markOf(ctx, s).To).To(Equal(minutes(30)))
				Expect(s.PutChunks(ctx, 1, read, nil)).To(MatchError(store.ErrConflict))
				Expect(put(ctx, s, 1, minutes(60))).To(Succeed())
				read = markOf(ctx, s)
				save(3, minutes(70))
				Expect(markOf(ctx, s).To).To(Equal(minutes(60)), "it was not beyond the row")
				Expect(s.PutChunks(ctx, 1, read, nil)).To(MatchError(store.ErrConflict), "it may be just reading it")
				soon := time.Now().Add(time.Hour).Truncate(time.Minute)
				Expect(put(ctx, s, 1, soon)).To(Succeed())
				now := time.Now()
				save(4, now)
				Expect(markOf(ctx, s).To).To(BeTemporally("==", now.Truncate(time.Minute)), "by the mark too, not by the clock alone")
			})

			It("adds a row once that two import at the same time", func(ctx SpecContext) {
				var rows []store.Metric
				for i := range 40 {
					rows = append(rows, store.Metric{API: "acme", Source: "eu-west", Data: json.RawMessage(fmt.Sprint(i)), CreatedAt: minutes(i)})
				}
				var importers sync.WaitGroup
				for range 3 {
					importers.Go(func() {
						defer GinkgoRecover()
						_, err := open(uri).Import(ctx, rows)
						Expect(err).NotTo(HaveOccurred())
					})
				}
				importers.Wait()
				Expect(left(ctx, s)).To(HaveLen(40))
			})

			It("does not roll up past a late row whose writer died before it could say so", func(ctx SpecContext) {
				Expect(put(ctx, s, 1, minutes(60))).To(Succeed())
				row, err := s.beginLate(ctx, regionID{"acme", "eu-west"}, minutes(10))
				Expect(err).NotTo(HaveOccurred())
				Expect(markOf(ctx, s).To).To(Equal(minutes(10)))
				Expect(put(ctx, s, 1, minutes(60))).To(Succeed())
				Expect(markOf(ctx, s).To).To(Equal(minutes(10)), "it may come yet")
				// Long after.
				_, err = s.marks.UpdateOne(ctx, bson.D{}, bson.D{{Key: "$set", Value: bson.D{{Key: "late." + row.ID + ".since", Value: row.Since.Add(-lateFor)}}}})
				Expect(err).NotTo(HaveOccurred())
				Expect(markOf(ctx, s).To).To(Equal(minutes(10)))
				Expect(put(ctx, s, 1, minutes(60))).To(Succeed())
				Expect(markOf(ctx, s).To).To(Equal(minutes(60)))
			})
		})
	}
})
