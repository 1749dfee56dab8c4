package mongostore

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/devops-insights/devops-insights/store"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/bson"
)

func TestMongoStore(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "MongoDB store")
}

func decimal(text string) bson.Decimal128 {
	d, err := bson.ParseDecimal128(text)
	if err != nil {
		panic(err)
	}
	return d
}

// text is what a value reads as that others have stored.
func text(v any) string {
	GinkgoHelper()
	kind, data, err := bson.MarshalValue(v)
	Expect(err).NotTo(HaveOccurred())
	b, err := stringify(bson.RawValue{Type: kind, Value: data}, "")
	Expect(err).NotTo(HaveOccurred())
	return string(b)
}

var _ = Describe("values between JSON and BSON", func() {
	DescribeTable("come back as JavaScript would write them", func(in, want string) {
		stored, err := prepare(store.Sample{API: "acme", Source: "us-east", Data: []byte(in)})
		Expect(err).NotTo(HaveOccurred())
		Expect(string(stored.json)).To(Equal(want))
		raw, err := bson.Marshal(stored.row(bson.NewObjectID()))
		Expect(err).NotTo(HaveOccurred())
		d, err := parse(raw)
		Expect(err).NotTo(HaveOccurred())
		m, err := d.metric()
		Expect(err).NotTo(HaveOccurred())
		Expect([]string{string(m.Data), m.Hash}).To(Equal([]string{want, store.Hash([]byte(want))}))
	},
		Entry("as they are", `{"z":1,"a":[null,true,{"b":"x"}],"e":{},"l":[[1,[2]]]}`, `{"z":1,"a":[null,true,{"b":"x"}],"e":{},"l":[[1,[2]]]}`),
		Entry("numbers", `[1.0,0.5,-0,1e21,1e-7,123456789012,-1.5e300,0.000001]`, `[1,0.5,0,1e+21,1e-7,123456789012,-1.5e+300,0.000001]`),
		Entry("integers beyond doubles", `[9007199254740993,-9223372036854775808]`, `[9007199254740993,-9223372036854775808]`),
		Entry("integers beyond all", `[1e400,123456789012345678901234567890]`, `[null,1.2345678901234568e+29]`),
		Entry("strings", `"\u2028<&>\u00e9\u0001\n\t\"\\/"`, "\"\u2028<&>é\\u0001\\n\\t\\\"\\\\/\""),
		Entry("bytes that are not UTF-8", "{\"S\xe3o\":[\"\xed\xa0\x80\"]}", `{"S`+"\ufffd"+`o":["`+"\ufffd\ufffd\ufffd"+`"]}`),
		Entry("index keys first, duplicates last", `{"b":1,"10":2,"2":3,"b":4,"01":5}`, `{"2":3,"10":2,"b":4,"01":5}`),
		Entry("one value alone", `"x"`, `"x"`),
	)

	DescribeTable("are kept in the types of JavaScript", func(in string, want any) {
		Expect(decodeJSON([]byte(in))).To(Equal(want))
	},
		Entry("32 bits", `2147483647`, int32(math.MaxInt32)), Entry("a whole double", `1.0`, int32(1)),
		Entry("a double", `2147483648`, 2147483648.0), Entry("64 bits", `9007199254740993`, int64(9007199254740993)),
		Entry("negative zero", `-0`, math.Copysign(0, -1)),
	)

	DescribeTable("that only JavaScript makes read as JSON.stringify has them", func(v any, want string) {
		Expect(text(v)).To(Equal(want))
	},
		Entry("a date", time.Date(2026, 11, 24, 3, 45, 1, 5e6, time.UTC), `"2026-11-24T03:45:01.005Z"`),
		Entry("an object id", bson.ObjectID{1}, `"010000000000000000000000"`),
		Entry("undefined in an object", bson.D{{Key: "a", Value: bson.Undefined{}}, {Key: "b", Value: int32(1)}}, `{"b":1}`),
		Entry("undefined in an array", bson.A{bson.Undefined{}, nil}, `[null,null]`),
		Entry("not a number", math.NaN(), `null`),
		// What follows was written by mongoose 8 with bson 6 on Node 20.
		Entry("64 bits within a double", int64(1<<53), `9007199254740992`),
		Entry("64 bits below zero", int64(-1<<53), `-9007199254740992`),
		Entry("64 bits beyond a double", int64(1<<53+1), `{"low":1,"high":2097152,"unsigned":false}`),
		Entry("64 bits beyond a double, below zero", int64(-1<<53-1), `{"low":-1,"high":-2097153,"unsigned":false}`),
		Entry("the greatest of 64 bits", int64(math.MaxInt64), `{"low":-1,"high":2147483647,"unsigned":false}`),
		Entry("the least of 64 bits", int64(math.MinInt64), `{"low":0,"high":-2147483648,"unsigned":false}`),
		Entry("64 bits within others", bson.A{bson.D{{Key: "l", Value: int64(math.MaxInt64)}}, int64(5)}, `[{"l":{"low":-1,"high":2147483647,"unsigned":false}},5]`),
		Entry("the infinite", math.Inf(-1), `null`),
		Entry("a UUID", bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}, `"30313233-3435-3637-3839-616263646566"`),
		Entry("a UUID that is none", bson.Binary{Subtype: 4, Data: []byte("x")}, `"eA=="`),
		Entry("an old UUID", bson.Binary{Subtype: 3, Data: []byte("0123456789abcdef")}, `"MDEyMzQ1Njc4OWFiY2RlZg=="`),
		Entry("bytes", bson.Binary{Data: []byte("hello")}, `"aGVsbG8="`),
		Entry("no bytes", bson.Binary{}, `""`),
		Entry("bytes of the old kind", bson.Binary{Subtype: 2, Data: []byte("hello")}, `"aGVsbG8="`),
		Entry("bytes of a user's kind", bson.Binary{Subtype: 128, Data: []byte("x")}, `"eA=="`),
		Entry("a timestamp", bson.Timestamp{T: 1700000000, I: 7}, `{"$timestamp":"7301444403200000007"}`),
		Entry("the greatest timestamp", bson.Timestamp{T: math.MaxUint32, I: math.MaxUint32}, `{"$timestamp":"18446744073709551615"}`),
		Entry("the timestamp zero", bson.Timestamp{}, `{"$timestamp":"0"}`),
		Entry("code", bson.JavaScript("function(){return 1}"), `{"code":"function(){return 1}"}`),
		Entry("code with a scope", bson.CodeWithScope{Code: "x", Scope: bson.D{{Key: "a", Value: int32(1)}, {Key: "d", Value: time.UnixMilli(0)}}}, `{"code":"x","scope":{"a":1,"d":"1970-01-01T00:00:00.000Z"}}`),
		Entry("code with an empty scope", bson.CodeWithScope{Code: "x", Scope: bson.D{}}, `{"code":"x","scope":{}}`),
		Entry("a date beyond the year 9999", bson.DateTime(253402300800000), `"+010000-01-01T00:00:00.000Z"`),
		Entry("a date before the year 0", bson.DateTime(-62198755200000), `"-000001-01-01T00:00:00.000Z"`),
		Entry("the last date", bson.DateTime(8640000000000000), `"+275760-09-13T00:00:00.000Z"`),
		Entry("a date after the last one", bson.DateTime(8640000000000001), `null`),
		Entry("a date that no Go time holds", bson.DateTime(math.MinInt64), `null`),
		Entry("a regular expression", bson.Regex{Pattern: `a"b`, Options: "gi"}, `{}`),
		Entry("the least key", bson.MinKey{}, `{}`),
		Entry("the greatest key", bson.MaxKey{}, `{}`),
		Entry("a symbol", bson.Symbol("sym"), `"sym"`),
		Entry("a decimal", decimal("1.50"), `{"$numberDecimal":"1.50"}`),
		Entry("a great decimal", decimal("1E+3"), `{"$numberDecimal":"1E+3"}`),
		Entry("no decimal", decimal("NaN"), `{"$numberDecimal":"NaN"}`),
		Entry("an infinite decimal", decimal("-Infinity"), `{"$numberDecimal":"-Infinity"}`),
		Entry("a reference", bson.D{{Key: "$id", Value: int32(1)}, {Key: "$ref", Value: "c"}}, `{"$ref":"c","$id":1}`),
		Entry("a reference with more", bson.D{{Key: "$ref", Value: "c"}, {Key: "$id", Value: int32(1)}, {Key: "$db", Value: "d"}, {Key: "z", Value: int32(2)}}, `{"$ref":"c","$id":1,"z":2,"$db":"d"}`),
		Entry("a reference to another database", bson.D{{Key: "$ref", Value: "a.b"}, {Key: "$id", Value: int32(1)}}, `{"$ref":"b","$id":1,"$db":"a"}`),
		Entry("a reference that is none", bson.D{{Key: "$id", Value: int32(1)}, {Key: "$ref", Value: "c"}, {Key: "$x", Value: int32(2)}}, `{"$id":1,"$ref":"c","$x":2}`),
		Entry("an old reference", bson.DBPointer{DB: "a.b", Pointer: bson.ObjectID{1}}, `{"$ref":"b","$id":"010000000000000000000000","$db":"a"}`),
		Entry("index keys behind others", bson.D{{Key: "b", Value: int32(1)}, {Key: "10", Value: int32(2)}, {Key: "2", Value: int32(3)}, {Key: "01", Value: int32(4)}, {Key: "", Value: int32(5)}}, `{"2":3,"10":2,"b":1,"01":4,"":5}`),
		Entry("a text that is not UTF-8", bson.D{{Key: "S\xe3o", Value: "S\xe3o"}}, `{"S`+"\ufffd"+`o":"S`+"\ufffd"+`o"}`),
	)

	It("that this server stored as 64 bits read as they were, by their hash", func() {
		for text, want := range map[string]string{
			`{"n":9007199254740993}`: `{"n":9007199254740993}`,
			`{"n":"another one"}`:    `{"n":{"low":1,"high":2097152,"unsigned":false}}`,
		} {
			kind, data, err := bson.MarshalValue(bson.D{{Key: "n", Value: int64(1<<53 + 1)}})
			Expect(err).NotTo(HaveOccurred())
			Expect(stringify(bson.RawValue{Type: kind, Value: data}, store.Hash([]byte(text)))).To(BeEquivalentTo(want))
		}
	})

	DescribeTable("that are not JSON are refused", func(in string) {
		_, err := decodeJSON([]byte(in))
		Expect(err).To(MatchError(ContainSubstring("not JSON")))
	}, Entry("nothing", ``), Entry("cut off", `{"a":`), Entry("two values", `1 2`), Entry("a bare word", `x`),
		Entry("values without end", strings.Repeat("[", 1<<20)))

	It("that lie too deep within each other are refused, however they came", func() {
		deep := strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1)
		_, err := prepare(store.Sample{Data: []byte(deep)})
		Expect(err).To(MatchError(store.ErrRefused))
		_, err = prepare(store.Sample{Data: []byte(deep[1 : len(deep)-1])})
		Expect(err).NotTo(HaveOccurred())
		// A document of 16 MiB that a server has not looked at: an array within
		// an array, two million times.
		var doc []byte
		for size := 5; size < 16<<20; size += 8 {
			doc = append(binary.LittleEndian.AppendUint32(doc, uint32(16<<20-size+5)), byte(bson.TypeArray), '0', 0)
		}
		_, err = stringify(bson.RawValue{Type: bson.TypeArray, Value: append(doc, make([]byte, 3<<20)...)}, "")
		Expect(err).To(MatchError(errTooDeep))
	})
})

// No answer of a server may stop the process, however it was made.
func FuzzDocuments(f *testing.F) {
	for _, v := range []any{
		bson.D{{Key: "_id", Value: 1}, {Key: "api", Value: "a"}, {Key: "source", Value: "b"}, {Key: "data", Value: bson.A{1, bson.Binary{Subtype: 2, Data: []byte("x")}}}},
		bson.D{{Key: "data", Value: bson.D{{Key: "$ref", Value: "a.b"}, {Key: "$id", Value: 1}, {Key: "10", Value: bson.CodeWithScope{Code: "x", Scope: bson.D{}}}}}, {Key: "hash", Value: 5}},
		bson.D{{Key: "operationType", Value: "update"}, {Key: "documentKey", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "fullDocument", Value: bson.D{{Key: "api", Value: "a"}, {Key: "source", Value: "b"}}}, {Key: "updateDescription", Value: bson.D{{Key: "updatedFields", Value: bson.D{{Key: "hash", Value: "x"}, {Key: "data", Value: decimal("1")}}}}}},
	} {
		raw, err := bson.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, e := range []event{parseEvent(raw), {operation: "update", document: raw, updated: raw}} {
			if m, ok, err := e.metric(); ok && (err != nil || !json.Valid(m.Data)) {
				t.Fatalf("%x became %s, %v", raw, m.Data, err)
			}
		}
		d, _ := parse(raw)
		if m, err := d.metric(); err == nil && !json.Valid(m.Data) {
			t.Fatalf("%x became %s", raw, m.Data)
		}
		_ = versionOf(d).filter()
	})
}
