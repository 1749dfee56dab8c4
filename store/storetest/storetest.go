// Package storetest is the behaviour suite that every store must pass. It
// knows the interface alone, so that the next store finds its tests written.
package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2" //nolint:revive // the suites read as sentences with it
	. "github.com/onsi/gomega"    //nolint:revive // likewise

	"github.com/devops-insights/devops-insights/store"
)

// Factory opens a store over the same data each time within one spec, and
// closes what it opened when the spec ends.
type Factory func() store.Store

// Specs registers the suite. fresh returns a Factory over empty data.
func Specs(name string, fresh func() Factory) bool {
	return Context(name+" as a store", func() {
		var (
			open Factory
			s    store.Store
			ctx  context.Context
			t0   = time.Date(2026, 11, 24, 3, 45, 1, 123e6, time.UTC)
		)
		BeforeEach(func() {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
			DeferCleanup(cancel)
			open = fresh()
			s = open()
		})
		save := func(source, data string, at time.Time) bool {
			GinkgoHelper()
			changed, err := s.Save(ctx, store.Sample{API: "acme", Source: source, Data: json.RawMessage(data), At: at})
			Expect(err).NotTo(HaveOccurred())
			return changed
		}
		texts := func(rows []store.Metric) (all []string) {
			for _, m := range rows {
				all = append(all, string(m.Data))
			}
			return all
		}
		history := func(q store.Query) []string {
			GinkgoHelper()
			q.API = "acme"
			if q.Limit == 0 {
				q.Limit = 100
			}
			rows, err := store.History(ctx, s, q)
			Expect(err).NotTo(HaveOccurred())
			return texts(rows)
		}

		It("answers ErrNotFound for a region without a value", func() {
			_, err := s.Latest(ctx, "acme", "us-east")
			Expect(err).To(MatchError(store.ErrNotFound))
			Expect(s.AllLatest(ctx, "acme")).To(BeEmpty())
			Expect(history(store.Query{})).To(BeEmpty())
		})

		It("gives back the very bytes, the hash and the times", func() {
			data := "{\"z\":1.5,\"a\":[null,true,{}],\"big\":123456789012,\"é\":\"<&>\u2028\"}"
			Expect(save("us-east", data, t0.Add(456*time.Microsecond))).To(BeTrue())
			m, err := s.Latest(ctx, "acme", "us-east")
			Expect(err).NotTo(HaveOccurred())
			Expect(string(m.Data)).To(Equal(data))
			Expect(m.Hash).To(Equal(store.Hash([]byte(data))))
			Expect(m.UpdatedAt).To(Equal(t0))
			Expect(history(store.Query{})).To(Equal([]string{data}))
		})

		It("stores U+FFFD for bytes that are not UTF-8, and the same value is no change however it is spelled", func() {
			const mended = "{\"S\ufffdo\":[\"\ufffd\",\"\ufffd\ufffd\ufffd\"]}"
			broken := "{\"S\xe3o\":[\"\xe2\x82\",\"\xed\xa0\x80\"]}"
			h := Follow(s)
			Expect(save("us-east", broken, t0)).To(BeTrue())
			Expect(save("us-east", broken, t0.Add(time.Second))).To(BeFalse())
			Expect(save("us-east", mended, t0.Add(2*time.Second))).To(BeFalse())
			m, err := s.Latest(ctx, "acme", "us-east")
			Expect(err).NotTo(HaveOccurred())
			Expect(string(m.Data)).To(Equal(mended))
			Expect(m.Hash).To(Equal(store.Hash([]byte(mended))))
			Expect(history(store.Query{})).To(Equal([]string{mended}))
			Eventually(func() []string { return h.Values("us-east") }, "10s").Should(Equal([]string{mended}))
		})

		It("stores a value only when it differs from the latest one", func() {
			Expect(save("us-east", `1`, t0)).To(BeTrue())
			Expect(save("us-east", `1`, t0.Add(time.Second))).To(BeFalse())
			Expect(save("us-east", `2`, t0.Add(2*time.Second))).To(BeTrue())
			Expect(save("us-east", `1`, t0.Add(3*time.Second))).To(BeTrue())
			Expect(history(store.Query{})).To(Equal([]string{`1`, `2`, `1`}))
		})

		It("makes one change of the same value from many writers at once", func() {
			var changes atomic.Int32
			var writers sync.WaitGroup
			for range 32 {
				writers.Go(func() {
					changed, err := s.Save(ctx, store.Sample{API: "acme", Source: "us-east", Data: json.RawMessage(`{"n":1}`), At: t0})
					if err == nil && changed {
						changes.Add(1)
					}
				})
			}
			writers.Wait()
			Expect(changes.Load()).To(BeEquivalentTo(1))
			Expect(history(store.Query{})).To(HaveLen(1))
		})

		It("keeps the regions in the order of their first storing", func() {
			for _, source := range []string{"eu-west", "us-east", "ap-southeast"} {
				save(source, `"`+source+`"`, t0)
			}
			save("eu-west", `"again"`, t0.Add(time.Second))
			all, err := s.AllLatest(ctx, "acme")
			Expect(err).NotTo(HaveOccurred())
			Expect(texts(all)).To(Equal([]string{`"again"`, `"us-east"`, `"ap-southeast"`}))
			Expect(s.AllLatest(ctx, "acm")).To(BeEmpty())
		})

		It("returns history newest first, within inclusive bounds and a limit, of one region or all", func() {
			for i := range 10 {
				save("us-east", fmt.Sprint(i), t0.Add(time.Duration(i)*time.Second))
				save("us-east-2", fmt.Sprint(100+i), t0.Add(time.Duration(i)*time.Second+time.Millisecond))
			}
			Expect(history(store.Query{Source: "us-east", Limit: 3})).To(Equal([]string{"9", "8", "7"}))
			Expect(history(store.Query{Limit: 3})).To(Equal([]string{"109", "9", "108"}))
			Expect(history(store.Query{Source: "us-east", From: t0.Add(2 * time.Second), To: t0.Add(4 * time.Second)})).To(Equal([]string{"4", "3", "2"}))
			Expect(history(store.Query{Source: "us-east", To: t0})).To(Equal([]string{"0"}))
			Expect(history(store.Query{Source: "us-east", From: t0.Add(9 * time.Second)})).To(Equal([]string{"9"}))
			Expect(history(store.Query{From: t0.Add(time.Hour), To: t0})).To(BeEmpty())
		})

		It("returns the history of one api alone, whatever lies between", func() {
			for i := range 6 {
				at := t0.Add(time.Duration(i) * time.Second)
				for _, api := range []string{"acm", "acme", "acmes"} {
					data := json.RawMessage(fmt.Sprintf("%q", fmt.Sprint(api, i)))
					Expect(s.Save(ctx, store.Sample{API: api, Source: []string{"us-east", "eu-west"}[i%2], Data: data, At: at})).To(BeTrue())
				}
			}
			Expect(history(store.Query{})).To(Equal([]string{`"acme5"`, `"acme4"`, `"acme3"`, `"acme2"`, `"acme1"`, `"acme0"`}))
			Expect(history(store.Query{Source: "eu-west", Limit: 2})).To(Equal([]string{`"acme5"`, `"acme3"`}))
			Expect(history(store.Query{From: t0.Add(time.Second), To: t0.Add(3 * time.Second), Limit: 2})).To(Equal([]string{`"acme3"`, `"acme2"`}))
		})

		It("announces each change once, in order, and only when it can be read", func() {
			watching, changes := make(chan struct{}), make(chan string, 100)
			watch, stop := context.WithCancel(ctx)
			ended := make(chan error, 1)
			go func() {
				ended <- s.Watch(watch, func() { close(watching) }, func(ctx context.Context, c store.Change) error {
					if m, err := s.Latest(ctx, c.API, c.Source); err != nil || m.UpdatedAt.Before(c.UpdatedAt) {
						return fmt.Errorf("announced before it could be read: %w", err)
					}
					changes <- string(c.Data)
					return nil
				})
			}()
			Eventually(watching, "10s").Should(BeClosed())
			for i := range 20 {
				save("us-east", fmt.Sprint(i), t0.Add(time.Duration(i)*time.Second))
				save("us-east", fmt.Sprint(i), t0.Add(time.Duration(i)*time.Second))
			}
			for i := range 20 {
				Eventually(changes, "10s").Should(Receive(Equal(fmt.Sprint(i))))
			}
			Consistently(changes, "50ms").ShouldNot(Receive())
			stop()
			Eventually(ended, "10s").Should(Receive(MatchError(context.Canceled)))
		})

		feedSpecs(func() store.Store { return s })
		clockSpecs(func() store.Store { return s })

		It("keeps everything over a reopening", func() {
			save("us-east", `1`, t0)
			save("us-east", `2`, t0.Add(time.Second))
			Expect(s.Close()).To(Succeed())
			s = open()
			Expect(history(store.Query{})).To(Equal([]string{`2`, `1`}))
			Expect(save("us-east", `2`, t0.Add(2*time.Second))).To(BeFalse())
		})

		It("answers ErrClosed after Close", func() {
			Expect(s.Close()).To(Succeed())
			_, err := s.Save(ctx, store.Sample{API: "acme", Source: "us-east", Data: json.RawMessage(`1`), At: t0})
			Expect(err).To(MatchError(store.ErrClosed))
			_, err = s.Latest(ctx, "acme", "us-east")
			Expect(err).To(MatchError(store.ErrClosed))
			_, err = store.History(ctx, s, store.Query{API: "acme", Limit: 1})
			Expect(err).To(MatchError(store.ErrClosed))
			Expect(s.Watch(ctx, nil, nil)).To(MatchError(store.ErrClosed))
			Expect(s.Refresh(ctx)).To(MatchError(store.ErrClosed))
			Expect(s.Close()).To(Succeed())
		})
	})
}
