package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2" //nolint:revive // the suites read as sentences with it
	. "github.com/onsi/gomega"    //nolint:revive // likewise

	"github.com/devops-insights/devops-insights/store"
)

// Alerts is a store that keeps what alerting has to remember.
type Alerts interface {
	store.Alerts
	io.Closer
}

// AlertFactory is a Factory of such stores.
type AlertFactory func() Alerts

// alerts is what the specs of alerting share.
type alerts struct {
	open AlertFactory
	s    Alerts
	ctx  context.Context
}

// AlertSpecs registers what a store does with store.Alerts when one writer comes
// after the other. fresh returns an AlertFactory over empty data.
func AlertSpecs(name string, fresh func() AlertFactory) bool {
	return Context(name+" as a store of alerting", func() {
		a := new(alerts)
		a.each(fresh)
		Context("the ledger of an API", a.ledgerSpecs)
		Context("records", a.recordSpecs)
		Context("records that are asked for", a.findSpecs)

		It("answers ErrClosed after Close", func() {
			Expect(a.s.Close()).To(Succeed())
			_, err := a.s.Ledger(a.ctx, "acme")
			Expect(err).To(MatchError(store.ErrClosed))
			Expect(a.s.PutLedger(a.ctx, ledger(1, 1, `{}`))).To(MatchError(store.ErrClosed))
			Expect(a.s.PutRecord(a.ctx, silence("a", 0, 1))).To(MatchError(store.ErrClosed))
			_, err = a.s.FindRecords(a.ctx, store.RecordQuery{Kind: store.RecordSilence, Limit: 1})
			Expect(err).To(MatchError(store.ErrClosed))
			_, err = a.s.DeleteRecords(a.ctx, store.RecordSilence, base(), 1)
			Expect(err).To(MatchError(store.ErrClosed))
		})
	})
}

// each gives every spec a store of its own.
func (a *alerts) each(fresh func() AlertFactory) {
	BeforeEach(func() {
		var cancel context.CancelFunc
		a.ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
		DeferCleanup(cancel)
		a.open = fresh()
		a.s = a.open()
	})
}

// reopen closes the store and opens it again.
func (a *alerts) reopen() {
	GinkgoHelper()
	Expect(a.s.Close()).To(Succeed())
	a.s = a.open()
}

// ledger returns one of the API acme.
func ledger(term, version int64, data string) store.Ledger {
	return store.Ledger{API: "acme", Term: term, Version: version, Data: json.RawMessage(data)}
}

func (a *alerts) put(l store.Ledger) {
	GinkgoHelper()
	Expect(a.s.PutLedger(a.ctx, l)).To(Succeed())
}

func (a *alerts) stored() store.Ledger {
	GinkgoHelper()
	l, err := a.s.Ledger(a.ctx, "acme")
	Expect(err).NotTo(HaveOccurred())
	return l
}

func (a *alerts) ledgerSpecs() {
	It("is none at first, and begins with version 1", func() {
		_, err := a.s.Ledger(a.ctx, "acme")
		Expect(err).To(MatchError(store.ErrNotFound))
		Expect(a.s.PutLedger(a.ctx, ledger(3, 2, `{}`))).To(MatchError(store.ErrConflict))
		_, err = a.s.Ledger(a.ctx, "acme")
		Expect(err).To(MatchError(store.ErrNotFound))
		a.put(ledger(3, 1, `{}`))
		Expect(a.stored()).To(Equal(ledger(3, 1, `{}`)))
	})

	It("comes back byte for byte, over a reopening too", func() {
		l := ledger(7, 1, "{\"z\":1.50,\"a\":[null,{}],\"$or\":\"a.b\",\"big\":12345678901234567890,\"é\":\"<&>\u2028\\u0000\"}")
		a.put(l)
		Expect(a.stored()).To(Equal(l))
		a.reopen()
		Expect(a.stored()).To(Equal(l))
	})

	It("is replaced by the next version alone", func() {
		a.put(ledger(1, 1, `1`))
		a.put(ledger(1, 2, `2`))
		for _, version := range []int64{1, 2, 4, 100} {
			Expect(a.s.PutLedger(a.ctx, ledger(1, version, `"other"`))).To(MatchError(store.ErrConflict), "version %d", version)
			Expect(a.stored()).To(Equal(ledger(1, 2, `2`)))
		}
		a.reopen()
		a.put(ledger(1, 3, `3`))
		Expect(a.stored()).To(Equal(ledger(1, 3, `3`)))
	})

	It("tells a writer that did not hear the answer that its own write is there", func() {
		a.put(ledger(1, 1, `1`))
		again := ledger(1, 1, `1`)
		Expect(a.s.PutLedger(a.ctx, again)).To(MatchError(store.ErrConflict))
		Expect(a.stored()).To(Equal(again))
	})

	It("is not written by one whose term is over, over a reopening too", func() {
		a.put(ledger(1, 1, `1`))
		a.put(ledger(5, 2, `2`))
		for range 2 {
			for _, version := range []int64{1, 2, 3} {
				Expect(a.s.PutLedger(a.ctx, ledger(4, version, `"late"`))).To(MatchError(store.ErrFenced), "version %d", version)
			}
			Expect(a.stored()).To(Equal(ledger(5, 2, `2`)))
			a.reopen()
		}
		a.put(ledger(5, 3, `3`))
		a.put(ledger(9, 4, `4`))
	})

	It("is that of one API alone, whatever it is called", func() {
		names := []string{"acme", "acme2", "a.b", "$a", "ac", `a"b`, "é"}
		for i, api := range names {
			a.put(store.Ledger{API: api, Term: int64(i), Version: 1, Data: json.RawMessage(fmt.Sprint(i))})
		}
		for i, api := range names {
			Expect(a.s.Ledger(a.ctx, api)).To(Equal(store.Ledger{API: api, Term: int64(i), Version: 1, Data: json.RawMessage(fmt.Sprint(i))}))
		}
	})

	It("has at most 8 MiB", func() {
		large := ledger(1, 1, `"`+strings.Repeat("x", store.MaxLedger-2)+`"`)
		a.put(large)
		Expect(a.s.Ledger(a.ctx, "acme")).To(HaveField("Data", HaveLen(store.MaxLedger)))
		large.Version, large.Data = 2, append(large.Data, ' ')
		Expect(a.s.PutLedger(a.ctx, large)).To(MatchError(store.ErrRefused))
		a.put(ledger(1, 2, `{}`))
		Expect(a.stored()).To(Equal(ledger(1, 2, `{}`)))
	})

	DescribeTable("is refused", func(change func(*store.Ledger)) {
		l := ledger(1, 1, `{}`)
		change(&l)
		Expect(a.s.PutLedger(a.ctx, l)).To(MatchError(store.ErrRefused))
	},
		Entry("without an API", func(l *store.Ledger) { l.API = "" }),
		Entry("with a zero byte in the name of the API", func(l *store.Ledger) { l.API = "a\x00b" }),
		Entry("with a name of the API that is no text", func(l *store.Ledger) { l.API = "a\xff" }),
		Entry("with a name of the API that is too long", func(l *store.Ledger) { l.API = strings.Repeat("a", store.MaxAlertAPI+1) }),
		Entry("without content", func(l *store.Ledger) { l.Data = nil }),
		Entry("with a version that is none", func(l *store.Ledger) { l.Version = 0 }),
	)
}
