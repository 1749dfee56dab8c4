package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2" //nolint:revive // the suites read as sentences with it
	. "github.com/onsi/gomega"    //nolint:revive // likewise

	"github.com/devops-insights/devops-insights/store"
)

// PagingSpecs registers what a store does with Query.OldestFirst, Query.After
// and Metric.ID. fresh returns a Factory over empty data.
func PagingSpecs(name string, fresh func() Factory) bool {
	return Context(name+" as a history in pages", func() {
		var (
			s   store.Store
			ctx context.Context
			t0  = time.Date(2026, 11, 24, 3, 45, 1, 123e6, time.UTC)
		)
		BeforeEach(func() {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
			DeferCleanup(cancel)
			s = fresh()()
		})
		save := func(source string, n int, at time.Time) {
			GinkgoHelper()
			Expect(s.Save(ctx, store.Sample{API: "acme", Source: source, Data: json.RawMessage(fmt.Sprint(n)), At: at})).To(BeTrue())
		}
		// fill stores rows of two regions, three of each within a millisecond, and
		// those of another api between them.
		fill := func() {
			for n := range 12 {
				at := t0.Add(time.Duration(n/3) * time.Second)
				save("us-east", n, at)
				save("eu-west", 100+n, at)
				Expect(s.Save(ctx, store.Sample{API: "other", Source: "us-east", Data: json.RawMessage(fmt.Sprint(n)), At: at})).To(BeTrue())
			}
		}
		ask := func(q store.Query) []store.Metric {
			GinkgoHelper()
			q.API = "acme"
			rows, err := store.History(ctx, s, q)
			Expect(err).NotTo(HaveOccurred())
			return rows
		}
		ids := func(rows []store.Metric) (all []string) {
			for _, m := range rows {
				all = append(all, m.ID)
			}
			return all
		}
		// pages asks for page after page.
		pages := func(q store.Query) (rows []store.Metric) {
			GinkgoHelper()
			for {
				page := ask(q)
				Expect(len(page)).To(BeNumerically("<=", q.Limit))
				rows = append(rows, page...)
				if len(page) < q.Limit {
					return rows
				}
				q.After = page[len(page)-1].ID
			}
		}

		It("names every row by an id that stays, and no latest value", func() {
			fill()
			rows := ask(store.Query{Limit: 100})
			Expect(rows).To(HaveLen(24))
			seen := make(map[string]bool)
			for _, m := range rows {
				Expect(m.ID).To(MatchRegexp(`^[!-~]+$`))
				Expect(seen).NotTo(HaveKey(m.ID))
				seen[m.ID] = true
			}
			Expect(ids(ask(store.Query{Limit: 100}))).To(Equal(ids(rows)))
			m, err := s.Latest(ctx, "acme", "us-east")
			Expect(err).NotTo(HaveOccurred())
			Expect(m.ID).To(BeEmpty())
		})

		It("goes through the same order from either end", func() {
			fill()
			for _, source := range []string{"", "us-east"} {
				newest := ask(store.Query{Source: source, Limit: 100})
				oldest := ask(store.Query{Source: source, Limit: 100, OldestFirst: true})
				slices.Reverse(newest)
				Expect(oldest).To(Equal(newest))
				for limit := 1; limit <= len(oldest); limit++ {
					Expect(ask(store.Query{Source: source, Limit: limit, OldestFirst: true})).To(Equal(oldest[:limit]))
				}
			}
			Expect(ask(store.Query{Source: "us-east", Limit: 1, OldestFirst: true, From: t0.Add(time.Millisecond)})[0].CreatedAt).To(Equal(t0.Add(time.Second)))
		})

		It("brings every row once in pages of any size, within bounds too", func() {
			fill()
			for _, source := range []string{"", "us-east"} {
				for _, oldest := range []bool{false, true} {
					for _, q := range []store.Query{{}, {From: t0.Add(time.Second)}, {To: t0.Add(2 * time.Second)}, {From: t0.Add(time.Second), To: t0.Add(2 * time.Second)}} {
						q.Source, q.OldestFirst, q.Limit = source, oldest, 100
						all := ask(q)
						Expect(all).NotTo(BeEmpty())
						for limit := 1; limit <= len(all); limit++ {
							q.Limit = limit
							Expect(pages(q)).To(Equal(all), "in pages of %d", limit)
						}
					}
				}
			}
		})

		It("answers any question as one who goes through all rows", func() {
			random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 1))
			at := func() time.Time { return t0.Add(time.Duration(random.IntN(40)) * time.Millisecond) }
			sources := []string{"us-east", "us-east-2", "eu-west"}
			for n := range 150 { // the clock jumps about
				save(sources[random.IntN(len(sources))], n, at())
			}
			all := ask(store.Query{Limit: 1000})
			Expect(all).To(HaveLen(150))
			for range 150 {
				q := store.Query{Limit: 1 + random.IntN(60), OldestFirst: random.IntN(2) == 0}
				after := -1 // the place of the row to go on after
				if random.IntN(2) == 0 {
					q.Source = sources[random.IntN(len(sources))]
				}
				if random.IntN(2) == 0 {
					q.From = at()
				}
				if random.IntN(2) == 0 {
					q.To = at()
				}
				if random.IntN(2) == 0 {
					after = random.IntN(len(all))
					q.After = all[after].ID
				}
				var want []store.Metric
				for i, m := range all {
					behind := after < 0 || (i > after) != q.OldestFirst && i != after
					if behind && (q.Source == "" || m.Source == q.Source) && !m.CreatedAt.Before(q.From) && (q.To.IsZero() || !m.CreatedAt.After(q.To)) {
						want = append(want, m)
					}
				}
				if q.OldestFirst {
					slices.Reverse(want)
				}
				want = want[:min(len(want), q.Limit)]
				got := ask(q)
				Expect(ids(got)).To(Equal(ids(want)), "%+v", q)
				Expect(got).To(Equal(want))
			}
		})

		It("keeps to its bounds where the row to go on after is outside of them", func() {
			fill()
			oldest := ask(store.Query{Limit: 100, OldestFirst: true})
			first, last := oldest[0].ID, oldest[len(oldest)-1].ID
			middle := store.Query{Limit: 100, From: t0.Add(time.Second), To: t0.Add(2 * time.Second)}
			within := ask(middle)
			middle.After = last
			Expect(ask(middle)).To(Equal(within))
			middle.After = first
			Expect(ask(middle)).To(BeEmpty())
			middle.OldestFirst = true
			slices.Reverse(within)
			Expect(ask(middle)).To(Equal(within))
			middle.After = last
			Expect(ask(middle)).To(BeEmpty())
		})

		It("goes on after a row of another region", func() {
			fill()
			for _, m := range ask(store.Query{Limit: 100}) {
				Expect(ask(store.Query{Limit: 100, Source: "us-east", After: m.ID})).To(Equal(slices.DeleteFunc(
					ask(store.Query{Limit: 100, After: m.ID}), func(m store.Metric) bool { return m.Source != "us-east" })))
			}
		})

		It("repeats and leaves out nothing while rows are added", func() {
			fill()
			for _, oldest := range []bool{false, true} {
				before := ask(store.Query{Limit: 100, OldestFirst: oldest})
				known := make(map[string]bool)
				for _, m := range before {
					known[m.ID] = true
				}
				var got []store.Metric
				for q := (store.Query{Limit: 5, OldestFirst: oldest}); ; {
					page := ask(q)
					if len(page) == 0 {
						break
					}
					got = append(got, page...)
					q.After = page[len(page)-1].ID
					if len(got) < 20 {
						save("us-east", 1000+len(got), t0.Add(time.Hour))
						save("eu-west", 2000+len(got), t0.Add(time.Second))
					}
				}
				Expect(slices.DeleteFunc(slices.Clone(got), func(m store.Metric) bool { return !known[m.ID] })).To(Equal(before))
				for i, m := range got {
					Expect(slices.Index(ids(got), m.ID)).To(Equal(i))
				}
				save("us-east", -1, t0.Add(2*time.Hour)) // another value than the last
				save("eu-west", -1, t0.Add(2*time.Hour))
			}
		})

		It("lets the function that takes the rows use the store", func() {
			fill()
			n := 0
			Expect(s.Scan(ctx, store.Query{API: "acme", Limit: 100}, func(store.Metric) error {
				n++
				_, err := s.Latest(ctx, "acme", "us-east")
				return err
			})).To(Succeed())
			Expect(n).To(Equal(24))
		})

		It("ends with the error of the function that takes the rows, at whichever of them", func() {
			fill()
			enough := errors.New("enough")
			for _, oldestFirst := range []bool{false, true} {
				for _, limit := range []int{1, 7, 24, 100} {
					all := ask(store.Query{Limit: 100, OldestFirst: oldestFirst})
					for n := range min(limit, len(all)) {
						taken := 0
						err := s.Scan(ctx, store.Query{API: "acme", Limit: limit, OldestFirst: oldestFirst}, func(store.Metric) error {
							if taken++; taken > n {
								return enough
							}
							return nil
						})
						Expect(err).To(BeIdenticalTo(enough), "row %d of %d", n, limit)
						Expect(taken).To(Equal(n + 1))
					}
				}
			}
		})

		It("refuses what was never the id of a row", func() {
			fill()
			for _, id := range []string{"nonsense", "-", "0", " ", "\x00", "\xff", "ffff", strings.Repeat("z", 32), strings.Repeat("f", 5000), "{}", "$gt"} {
				for _, oldest := range []bool{false, true} {
					_, err := store.History(ctx, s, store.Query{API: "acme", Limit: 10, After: id, OldestFirst: oldest})
					Expect(err).To(MatchError(store.ErrBadID), "%q", id)
				}
			}
		})
	})
}
