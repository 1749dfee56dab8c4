package storetest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2" //nolint:revive // the suites read as sentences with it
	. "github.com/onsi/gomega"    //nolint:revive // likewise

	"github.com/devops-insights/devops-insights/store"
)

// silence returns a record of the API acme, of minutes after base.
func silence(id string, minutes int, version int64) store.Record {
	return store.Record{
		Kind: store.RecordSilence, API: "acme", ID: id, At: base().Add(time.Duration(minutes) * time.Minute), Version: version,
		Data: json.RawMessage(fmt.Sprintf(`{"id":%q,"v":%d}`, id, version)),
	}
}

func (a *alerts) putRecords(all ...store.Record) {
	GinkgoHelper()
	for _, r := range all {
		Expect(a.s.PutRecord(a.ctx, r)).To(Succeed(), "%s %s", r.API, r.ID)
	}
}

// find returns the records that match; a hundred where no limit is given.
func (a *alerts) find(q store.RecordQuery) []store.Record {
	GinkgoHelper()
	if q.Kind == "" {
		q.Kind = store.RecordSilence
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	all, err := a.s.FindRecords(a.ctx, q)
	Expect(err).NotTo(HaveOccurred())
	return all
}

// ids returns the ids of the records that match, with a space between them.
func (a *alerts) ids(q store.RecordQuery) string {
	GinkgoHelper()
	var ids []string
	for _, r := range a.find(q) {
		ids = append(ids, r.ID)
	}
	return strings.Join(ids, " ")
}

func (a *alerts) recordSpecs() {
	It("come back byte for byte, over a reopening too", func() {
		r := silence(`!"$.~{}`, 0, 1)
		r.At = r.At.Add(123 * time.Millisecond)
		r.Data = json.RawMessage("{\"z\":1.50,\"$or\":[null],\"é\":\"<&>\u2028\\u0000\"}")
		early := r
		early.ID, early.At = "early", time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
		a.putRecords(r, early)
		for range 2 {
			Expect(a.find(store.RecordQuery{API: "acme"})).To(Equal([]store.Record{r, early}))
			Expect(a.find(store.RecordQuery{})).To(Equal([]store.Record{r, early}))
			a.reopen()
		}
	})

	It("are of whole milliseconds in UTC", func() {
		r := silence("a", 0, 1)
		r.At = r.At.Add(456 * time.Microsecond).In(time.FixedZone("CET", 3600))
		a.putRecords(r)
		Expect(a.find(store.RecordQuery{})).To(Equal([]store.Record{silence("a", 0, 1)}))
		r.Version = 2
		a.putRecords(r) // it is the same time
	})

	It("are replaced by a higher version alone", func() {
		a.putRecords(silence("a", 0, 3))
		for _, version := range []int64{-1, 0, 2, 3} {
			late := silence("a", 0, version)
			late.Data = json.RawMessage(`"late"`)
			Expect(a.s.PutRecord(a.ctx, late)).To(MatchError(store.ErrConflict), "version %d", version)
		}
		Expect(a.s.PutRecord(a.ctx, silence("a", 0, 3))).To(MatchError(store.ErrConflict), "its own write, too")
		Expect(a.find(store.RecordQuery{})).To(Equal([]store.Record{silence("a", 0, 3)}))
		a.putRecords(silence("a", 0, 7))
		Expect(a.find(store.RecordQuery{})).To(Equal([]store.Record{silence("a", 0, 7)}))
	})

	It("never change their time", func() {
		a.putRecords(silence("a", 5, 1))
		Expect(a.s.PutRecord(a.ctx, silence("a", 6, 2))).To(MatchError(store.ErrRefused))
		Expect(a.find(store.RecordQuery{})).To(Equal([]store.Record{silence("a", 5, 1)}))
	})

	It("are told apart by kind, API and id", func() {
		var all []store.Record
		for _, kind := range store.RecordKinds() {
			for _, api := range []string{"acme", "acm", "a.b"} {
				r := silence("a", 0, 1)
				r.Kind, r.API = kind, api
				r.Data = json.RawMessage(fmt.Sprintf(`"%s %s"`, kind, api))
				all = append(all, r)
			}
		}
		a.putRecords(all...)
		for _, r := range all {
			Expect(a.find(store.RecordQuery{Kind: r.Kind, API: r.API})).To(Equal([]store.Record{r}))
			Expect(a.find(store.RecordQuery{Kind: r.Kind})).To(HaveLen(3))
		}
	})

	It("have at most 1 MiB", func() {
		large := silence("a", 0, 1)
		large.Data = json.RawMessage(`"` + strings.Repeat("x", store.MaxRecord-2) + `"`)
		a.putRecords(large)
		Expect(a.find(store.RecordQuery{})).To(HaveExactElements(HaveField("Data", HaveLen(store.MaxRecord))))
		large.Version, large.Data = 2, append(large.Data, ' ')
		Expect(a.s.PutRecord(a.ctx, large)).To(MatchError(store.ErrRefused))
	})

	DescribeTable("are refused", func(change func(*store.Record)) {
		r := silence("a", 0, 1)
		change(&r)
		Expect(a.s.PutRecord(a.ctx, r)).To(MatchError(store.ErrRefused))
	},
		Entry("without an API", func(r *store.Record) { r.API = "" }),
		Entry("with a zero byte in the name of the API", func(r *store.Record) { r.API = "a\x00b" }),
		Entry("of a kind that there is not", func(r *store.Record) { r.Kind = "note" }),
		Entry("without an id", func(r *store.Record) { r.ID = "" }),
		Entry("with an id that is too long", func(r *store.Record) { r.ID = strings.Repeat("a", store.MaxRecordID+1) }),
		Entry("with a space in the id", func(r *store.Record) { r.ID = "a b" }),
		Entry("with a zero byte in the id", func(r *store.Record) { r.ID = "a\x00b" }),
		Entry("with an id that is not ASCII", func(r *store.Record) { r.ID = "é" }),
		Entry("without a time", func(r *store.Record) { r.At = time.Time{} }),
		Entry("without content", func(r *store.Record) { r.Data = nil }),
	)

	It("are deleted by their age, the oldest first and no more than is asked for", func() {
		for n := range 10 {
			a.putRecords(silence(fmt.Sprint("r", n), n, 1))
		}
		other := silence("other", 0, 1)
		other.API = "other"
		incident := silence("incident", 0, 1)
		incident.Kind = store.RecordIncident
		a.putRecords(other, incident)
		before := silence("", 5, 1).At
		Expect(a.s.DeleteRecords(a.ctx, store.RecordSilence, before, 0)).To(BeZero())
		Expect(a.s.DeleteRecords(a.ctx, store.RecordSilence, before, 3)).To(Equal(3))
		Expect(a.ids(store.RecordQuery{})).To(Equal("r9 r8 r7 r6 r5 r4 r3 r2"))
		Expect(a.s.DeleteRecords(a.ctx, store.RecordSilence, before, 100)).To(Equal(3))
		Expect(a.s.DeleteRecords(a.ctx, store.RecordSilence, before, 100)).To(BeZero())
		a.reopen()
		Expect(a.ids(store.RecordQuery{})).To(Equal("r9 r8 r7 r6 r5"))
		Expect(a.ids(store.RecordQuery{API: "acme"})).To(Equal("r9 r8 r7 r6 r5"))
		Expect(a.find(store.RecordQuery{Kind: store.RecordIncident})).To(HaveLen(1))
		a.putRecords(silence("r0", 20, 1)) // it begins anew
		Expect(a.ids(store.RecordQuery{})).To(Equal("r0 r9 r8 r7 r6 r5"))
	})
}

func (a *alerts) findSpecs() {
	It("come newest first, by time and then by id, whatever the order of the writes", func() {
		all := []store.Record{silence("z", 3, 1), silence("b", 2, 1), silence("ab", 2, 1), silence("a", 2, 1), silence("A", 2, 1), silence("~", 1, 1)}
		for _, i := range rand.Perm(len(all)) {
			a.putRecords(all[i])
		}
		Expect(a.find(store.RecordQuery{})).To(Equal(all))
		Expect(a.find(store.RecordQuery{API: "acme"})).To(Equal(all))
		Expect(a.find(store.RecordQuery{Limit: 2})).To(Equal(all[:2]))
	})

	It("are those of a time, both ends included", func() {
		for n := range 6 {
			a.putRecords(silence(fmt.Sprint(n), n, 1))
		}
		at := func(n int) time.Time { return silence("", n, 1).At }
		for _, api := range []string{"", "acme"} {
			Expect(a.ids(store.RecordQuery{API: api, From: at(2), To: at(4)})).To(Equal("4 3 2"))
			Expect(a.ids(store.RecordQuery{API: api, From: at(5)})).To(Equal("5"))
			Expect(a.ids(store.RecordQuery{API: api, To: at(0)})).To(Equal("0"))
			Expect(a.ids(store.RecordQuery{API: api, From: at(6)})).To(BeEmpty())
			Expect(a.ids(store.RecordQuery{API: api, From: at(4), To: at(2)})).To(BeEmpty())
		}
	})

	It("are one, by its id", func() {
		a.putRecords(silence("a", 0, 1), silence("ab", 0, 1), silence("b", 1, 1))
		for _, api := range []string{"", "acme"} {
			Expect(a.ids(store.RecordQuery{API: api, ID: "ab"})).To(Equal("ab"))
			Expect(a.ids(store.RecordQuery{API: api, ID: "c"})).To(BeEmpty())
		}
		Expect(a.ids(store.RecordQuery{API: "other", ID: "ab"})).To(BeEmpty())
	})

	It("come page by page, each once, those of one time and id too", func() {
		var all []store.Record
		for n := range 20 {
			for _, api := range []string{"acme", "acm", "zeta"} {
				r := silence(fmt.Sprint("r", n%5), n/10, 1) // five ids, each at two times
				r.API, r.ID = api, fmt.Sprint(r.ID, "-", n/5)
				all = append(all, r)
			}
		}
		a.putRecords(all...)
		for _, api := range []string{"", "acme"} {
			whole := a.find(store.RecordQuery{API: api})
			Expect(whole).To(HaveLen(len(slices.DeleteFunc(slices.Clone(all), func(r store.Record) bool { return api != "" && r.API != api }))))
			Expect(slices.IsSortedFunc(whole, func(x, y store.Record) int { return -x.Place().Compare(y.Place()) })).To(BeTrue())
			for _, size := range []int{1, 7} {
				var paged []store.Record
				q := store.RecordQuery{API: api, Limit: size}
				for page := a.find(q); len(page) > 0; page = a.find(q) {
					paged, q.Before = append(paged, page...), page[len(page)-1].Place()
				}
				Expect(paged).To(Equal(whole))
			}
		}
	})

	It("are those behind a place within a time, whether or not a record stands there", func() {
		for n := range 6 {
			a.putRecords(silence(fmt.Sprint(n), n, 1))
		}
		at := func(n int) time.Time { return silence("", n, 1).At }
		Expect(a.ids(store.RecordQuery{To: at(4), Before: store.RecordPlace{At: at(5), ID: "5"}})).To(Equal("4 3 2 1 0"))
		Expect(a.ids(store.RecordQuery{From: at(1), To: at(4), Before: store.RecordPlace{At: at(3), ID: "3"}})).To(Equal("2 1"))
		Expect(a.ids(store.RecordQuery{From: at(2), Before: store.RecordPlace{At: at(3), ID: "zzz"}})).To(Equal("3 2"))
		Expect(a.ids(store.RecordQuery{From: at(2), Before: store.RecordPlace{At: at(3)}})).To(Equal("2"))
		Expect(a.ids(store.RecordQuery{Before: store.RecordPlace{At: at(-1), ID: "z"}})).To(BeEmpty())
	})

	It("are none for a question that is wrong, which is an error", func() {
		for _, q := range []store.RecordQuery{{Kind: store.RecordSilence}, {Kind: store.RecordSilence, Limit: -1}, {Kind: "note", Limit: 1}, {Kind: store.RecordSilence, API: "a\x00b", Limit: 1}} {
			_, err := a.s.FindRecords(a.ctx, q)
			Expect(err).To(HaveOccurred(), "%+v", q)
		}
	})
}
