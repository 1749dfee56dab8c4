package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2" //nolint:revive // the suites read as sentences with it
	. "github.com/onsi/gomega"    //nolint:revive // likewise

	"github.com/devops-insights/devops-insights/store"
)

// clockSpecs are about wall clocks that are wrong: they may spoil a time stamp
// and never hide a change.
func clockSpecs(opened func() store.Store) {
	var (
		s   store.Store
		ctx context.Context
		t0  = time.Date(2026, 11, 24, 3, 45, 1, 123e6, time.UTC)
	)
	BeforeEach(func() {
		s = opened()
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
		DeferCleanup(cancel)
	})
	save := func(source, data string, at time.Time) {
		GinkgoHelper()
		Expect(s.Save(ctx, store.Sample{API: "acme", Source: source, Data: json.RawMessage(data), At: at})).To(BeTrue())
	}

	It("stores and announces what is sampled after a clock that was an hour ahead is set right", func() {
		save("us-east", `"of the future"`, t0.Add(time.Hour))
		h := Follow(s)
		for n := range 4 {
			save("us-east", fmt.Sprint(n), t0.Add(time.Duration(n)*time.Second))
		}
		Eventually(func() []string { return h.Values("us-east") }, "10s").Should(Equal([]string{`"of the future"`, "0", "1", "2", "3"}))
		m, err := s.Latest(ctx, "acme", "us-east")
		Expect(err).NotTo(HaveOccurred())
		Expect(string(m.Data)).To(Equal("3"))
		Expect(m.UpdatedAt).To(Equal(t0.Add(3*time.Second)), "the time at which it was taken")
		Expect(m.CreatedAt).To(Equal(t0.Add(time.Hour)), "the region was stored first by the clock of then")
		Expect(s.Refresh(ctx)).To(Succeed())
		Expect(h.Values("us-east")).To(HaveLen(5))
		Expect(Follow(s).Values("us-east")).To(Equal([]string{"3"}))
	})

	It("stores and announces every change of a clock that runs backwards, or stands", func() {
		h := Follow(s)
		var want []string
		for n := range 10 {
			save("us-east", fmt.Sprint(n), t0.Add(-time.Duration(n)*time.Minute))
			want = append(want, fmt.Sprint(n))
		}
		for n := range 10 {
			save("us-east", fmt.Sprint(n), t0)
			want = append(want, fmt.Sprint(n))
		}
		Eventually(func() []string { return h.Values("us-east") }, "10s").Should(Equal(want))
		rows, err := store.History(ctx, s, store.Query{API: "acme", Source: "us-east", Limit: 100})
		Expect(err).NotTo(HaveOccurred())
		Expect(rows).To(HaveLen(20))
	})

	It("keeps a row for each change, also when a clock that is set back repeats the same changes at the same times", func() {
		for range 3 {
			save("us-east", `"up"`, t0)
			save("us-east", `"down"`, t0.Add(time.Second))
		}
		rows, err := store.History(ctx, s, store.Query{API: "acme", Source: "us-east", Limit: 100})
		Expect(err).NotTo(HaveOccurred())
		var texts []string
		for _, m := range rows {
			texts = append(texts, string(m.Data))
		}
		Expect(texts).To(Equal([]string{`"down"`, `"down"`, `"down"`, `"up"`, `"up"`, `"up"`}))
	})

	It("has the history in one order: every shorter answer is the beginning of a longer one", func() {
		for n := range 6 {
			at := t0.Add(time.Duration(n/3) * time.Second) // three changes each within one millisecond
			for _, source := range []string{"us-east", "eu-west"} {
				save(source, fmt.Sprint(n), at)
			}
		}
		for _, source := range []string{"", "us-east"} {
			ask := func(limit int, to time.Time) (rows []string) {
				GinkgoHelper()
				found, err := store.History(ctx, s, store.Query{API: "acme", Source: source, Limit: limit, To: to})
				Expect(err).NotTo(HaveOccurred())
				for _, m := range found {
					rows = append(rows, fmt.Sprint(m.CreatedAt.UnixMilli(), " ", m.Source, " ", string(m.Data)))
				}
				return rows
			}
			all := ask(100, time.Time{})
			Expect(all).To(HaveLen(map[string]int{"": 12, "us-east": 6}[source]))
			Expect(slices.IsSortedFunc(all, func(a, b string) int { return -strings.Compare(a[:13], b[:13]) })).To(BeTrue(), "%v", all)
			for limit := 1; limit < len(all); limit++ {
				Expect(ask(limit, time.Time{})).To(Equal(all[:limit]))
			}
			older := all[len(all)/2:]
			for limit := 1; limit < len(older); limit++ {
				Expect(ask(limit, t0)).To(Equal(older[:limit]))
			}
		}
	})
}
