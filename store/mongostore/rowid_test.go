package mongostore

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/test/wire"
)

// strangeIDs are values that an _id may have. exotic are those that not every
// server takes.
func strangeIDs(exotic bool) []any {
	ids := []any{
		bson.Null{}, int32(5), int64(3), 4.5, "", "a", "b", "é", bson.D{}, bson.D{{Key: "a", Value: int32(1)}},
		bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}, bson.Binary{Data: []byte{0}}, bson.ObjectID{1}, bson.ObjectID{2}, bson.NewObjectID(),
		false, true, bson.DateTime(5), bson.DateTime(-5), bson.Timestamp{T: 1, I: 2},
	}
	if exotic {
		ids = append(ids, bson.MinKey{}, bson.MaxKey{}, bson.JavaScript("x"), bson.Symbol("aa"), math.Inf(1))
	}
	return ids
}

var _ = Describe("rows that others have stored", func() {
	for name, start := range servers {
		It("are paged through in one order, whatever their _id and whether or not they have a createdAt, on "+name, func(ctx SpecContext) {
			s := open(start().Database("ids"))
			documents := []bson.D{}
			for i, id := range strangeIDs(name == "SecantusDB") {
				d := bson.D{{Key: "_id", Value: id}, {Key: "api", Value: "acme"}, {Key: "source", Value: "eu-west"}, {Key: "data", Value: int32(i)}, {Key: "hash", Value: store.Hash(fmt.Append(nil, i))}, {Key: "createdAt", Value: minutes(0)}}
				documents = append(documents, d)
			}
			for i := range 12 {
				d := bson.D{{Key: "_id", Value: bson.NewObjectID()}, {Key: "api", Value: "acme"}, {Key: "source", Value: "eu-west"}, {Key: "data", Value: int32(100 + i)}, {Key: "createdAt", Value: minutes(i%4 - 2)}}
				if i < 4 {
					d[len(d)-1].Value = nil
				}
				documents = append(documents, d)
			}
			rand.Shuffle(len(documents), func(i, j int) { documents[i], documents[j] = documents[j], documents[i] })
			stored := 0
			for _, d := range documents {
				_, err := s.history.InsertOne(ctx, d)
				if name == "FerretDB" && mongo.IsDuplicateKeyError(err) {
					continue // to it a number and the date of as many milliseconds are one
				}
				Expect(err).NotTo(HaveOccurred(), "%v", d)
				stored++
			}
			for _, q := range []store.Query{{}, {From: minutes(-1)}, {To: minutes(0)}, {From: minutes(0), To: minutes(0)}} {
				q.API = "acme"
				q.Limit = 1000
				newest, err := store.History(ctx, s, q)
				Expect(err).NotTo(HaveOccurred())
				if q.From.IsZero() && q.To.IsZero() {
					Expect(newest).To(HaveLen(stored))
				}
				q.OldestFirst = true
				oldest, err := store.History(ctx, s, q)
				Expect(err).NotTo(HaveOccurred())
				turned := slices.Clone(newest)
				slices.Reverse(turned)
				Expect(oldest).To(Equal(turned))
				for _, all := range [][]store.Metric{newest, oldest} {
					q.OldestFirst = all[0].ID == oldest[0].ID
					for i, m := range all {
						q.After = m.ID
						rest, err := store.History(ctx, s, q)
						Expect(err).NotTo(HaveOccurred())
						Expect(rest).To(HaveLen(len(all)-i-1), "behind %s", m.ID)
						if len(rest) > 0 {
							Expect(rest).To(Equal(all[i+1:]))
						}
					}
				}
			}
			Expect(s.Unreadable()).To(BeZero())
		})
	}

	It("are paged through although very many have the same time, or cannot be read", func(ctx SpecContext) {
		s := open(wire.Start(GinkgoTB()).Database("same"))
		var documents []any
		for i := range 2 * maxSame {
			d := bson.D{{Key: "_id", Value: bson.NewObjectID()}, {Key: "api", Value: "acme"}, {Key: "source", Value: "eu-west"}, {Key: "data", Value: int32(i)}, {Key: "createdAt", Value: minutes(0)}}
			if i%10 == 0 {
				d = append(d, bson.E{Key: "hash", Value: int32(5)})
			}
			documents = append(documents, d)
		}
		_, err := s.history.InsertMany(ctx, documents)
		Expect(err).NotTo(HaveOccurred())
		var got []string
		for q := (store.Query{API: "acme", Source: "eu-west", Limit: 700, OldestFirst: true}); ; {
			page, err := store.History(ctx, s, q)
			Expect(err).NotTo(HaveOccurred())
			for _, m := range page {
				got = append(got, string(m.Data))
			}
			if len(page) < q.Limit {
				break
			}
			q.After = page[len(page)-1].ID
		}
		var want []string
		for i := range 2 * maxSame {
			if i%10 != 0 {
				want = append(want, fmt.Sprint(i))
			}
		}
		Expect(got).To(Equal(want))
	})

	DescribeTable("have no such id", func(id string) {
		_, err := parseRowID(id)
		Expect(err).To(MatchError(store.ErrBadID))
	},
		Entry("nothing", ""), Entry("no _id", "5."), Entry("no type that there is", "5.ff00"), Entry("an ObjectID that is cut off", "5.07010203"),
		Entry("something behind the ObjectID", "5.07"+hex.EncodeToString(make([]byte, 13))), Entry("capitals", "5.07"+"AA0000000000000000000000"),
		Entry("another spelling of the time", "+5.07"+hex.EncodeToString(make([]byte, 12))), Entry("a time beyond all", "99999999999999999999.07"+hex.EncodeToString(make([]byte, 12))),
		Entry("an array", "5.040500000000"), Entry("an object that is not whole", "5.030600000010"), Entry("a text without end", "5.02ffffff7f41"),
		Entry("a text whose length is below zero", "5.02ffffffff41"),
	)
})

// FuzzRowID: what is taken for an ID is one, in one spelling, and can be part of
// a query.
func FuzzRowID(f *testing.F) {
	for _, id := range strangeIDs(true) {
		kind, data, err := bson.MarshalValue(id)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(rowID{at: time.Now().UnixMilli(), dated: true, id: bson.RawValue{Type: kind, Value: data}}.String())
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseRowID(text)
		if err != nil {
			return
		}
		if r.String() != text {
			t.Fatalf("%q reads as %q", text, r)
		}
		raw, err := bson.Marshal(bson.D{{Key: "createdAt", Value: r.createdAt()}, {Key: "is", Value: r.id}, {Key: "not", Value: r.notUntil(1)}})
		if err != nil || bson.Raw(raw).Validate() != nil {
			t.Fatalf("%q cannot be asked for: %v", text, err)
		}
	})
}
