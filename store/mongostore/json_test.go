package mongostore

import (
	"math"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/bson"
)

func TestMongoStore(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "MongoDB store")
}

func text(v any) string {
	GinkgoHelper()
	kind, data, err := bson.MarshalValue(v)
	Expect(err).NotTo(HaveOccurred())
	b, _ := appendJSON(nil, bson.RawValue{Type: kind, Value: data})
	return string(b)
}

var _ = Describe("values between JSON and BSON", func() {
	DescribeTable("come back as JavaScript would write them", func(in, want string) {
		v, err := decodeJSON([]byte(in))
		Expect(err).NotTo(HaveOccurred())
		Expect(text(v)).To(Equal(want))
	},
		Entry("as they are", `{"z":1,"a":[null,true,{"b":"x"}],"e":{},"l":[[1,[2]]]}`, `{"z":1,"a":[null,true,{"b":"x"}],"e":{},"l":[[1,[2]]]}`),
		Entry("numbers", `[1.0,0.5,-0,1e21,1e-7,123456789012,-1.5e300,0.000001]`, `[1,0.5,0,1e+21,1e-7,123456789012,-1.5e+300,0.000001]`),
		Entry("integers beyond doubles", `[9007199254740993,-9223372036854775808]`, `[9007199254740993,-9223372036854775808]`),
		Entry("integers beyond all", `[1e400,123456789012345678901234567890]`, `[null,1.2345678901234568e+29]`),
		Entry("strings", `"\u2028<&>\u00e9\u0001\n\t\"\\/"`, "\"\u2028<&>é\\u0001\\n\\t\\\"\\\\/\""),
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
	)

	DescribeTable("that are not JSON are refused", func(in string) {
		_, err := decodeJSON([]byte(in))
		Expect(err).To(MatchError(ContainSubstring("not JSON")))
	}, Entry("nothing", ``), Entry("cut off", `{"a":`), Entry("two values", `1 2`), Entry("a bare word", `x`))
})
