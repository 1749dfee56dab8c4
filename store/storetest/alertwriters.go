package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2" //nolint:revive // the suites read as sentences with it
	. "github.com/onsi/gomega"    //nolint:revive // likewise

	"github.com/devops-insights/devops-insights/store"
)

// AlertWriterSpecs registers what a store of alerting does with several writers at
// once. connect returns another connection to the data of a store of fresh, or
// the store itself where there can be only one.
func AlertWriterSpecs(name string, fresh func() AlertFactory, connect func(AlertFactory, Alerts) Alerts) bool {
	return Context(name+" as a store of alerting of several writers", func() {
		a := new(alerts)
		a.each(fresh)

		It("lets one alone through with each version of a ledger", func() {
			const writers, versions = 4, 10
			var all sync.WaitGroup
			won := make([]atomic.Int32, versions+1)
			for w := range writers {
				s := connect(a.open, a.s)
				all.Go(func() {
					defer GinkgoRecover()
					for version := int64(1); version <= versions; version++ {
						err := s.PutLedger(a.ctx, ledger(1, version, fmt.Sprint(w)))
						if err == nil {
							won[version].Add(1)
							continue
						}
						Expect(err).To(MatchError(store.ErrConflict))
						if l, err := s.Ledger(a.ctx, "acme"); !errors.Is(err, store.ErrNotFound) {
							Expect(err).NotTo(HaveOccurred())
							version = min(max(version-1, l.Version), versions)
						}
					}
				})
			}
			all.Wait()
			Expect(a.stored().Version).To(BeEquivalentTo(versions))
			for version := 1; version <= versions; version++ {
				Expect(won[version].Load()).To(BeEquivalentTo(1), "version %d", version)
			}
		})

		It("stores nothing of a writer whose term is over once the next one has written", func() {
			next := connect(a.open, a.s)
			var over sync.WaitGroup
			a.put(ledger(1, 1, `"old"`))
			over.Go(func() {
				defer GinkgoRecover()
				for version := int64(2); ; version++ {
					if err := a.s.PutLedger(a.ctx, ledger(1, version, `"old"`)); err != nil {
						Expect(err).To(MatchError(store.ErrFenced))
						return
					}
				}
			})
			Eventually(func() error {
				l, err := next.Ledger(a.ctx, "acme")
				Expect(err).NotTo(HaveOccurred())
				return next.PutLedger(a.ctx, ledger(2, l.Version+1, `"new"`))
			}, "20s", "1ms").Should(Succeed())
			over.Wait()
			Expect(string(a.stored().Data)).To(Equal(`"new"`))
		})

		It("keeps the highest version of a record, and tells each writer the truth about its own", func() {
			const writers = 8
			var all sync.WaitGroup
			for w := range writers {
				s := connect(a.open, a.s)
				all.Go(func() {
					defer GinkgoRecover()
					if err := s.PutRecord(a.ctx, silence("a", 0, int64(w+1))); err != nil {
						Expect(err).To(MatchError(store.ErrConflict))
						Expect(w+1).To(BeNumerically("<", writers), "the highest is no conflict")
					}
				})
			}
			all.Wait()
			Expect(a.find(store.RecordQuery{})).To(Equal([]store.Record{silence("a", 0, writers)}))
		})
	})
}
