package socketio

import (
	"encoding/json"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("the arguments of a packet", func() {
	DescribeTable("are split as a JSON decoder does it",
		func(array string) {
			var want []json.RawMessage
			Expect(json.Unmarshal([]byte(array), &want)).To(Succeed())
			Expect(splitArray([]byte(array))).To(HaveLen(len(want)))
			for i, one := range splitArray([]byte(array)) {
				Expect(string(one)).To(Equal(string(want[i])))
			}
		},
		Entry(nil, `[]`), Entry(nil, ` [ ] `), Entry(nil, `["a"]`), Entry(nil, `[ "a" , 1,null ,true]`),
		Entry(nil, `["a",{"b":[1,2,{"c":"],}"}]},[[],[{}]]]`), Entry(nil, `["\"","\\",",[","\\\""]`), Entry(nil, "[\n1\t,\r2 ]"),
	)

	DescribeTable("have the members that a JSON decoder finds",
		func(argument string) {
			var want map[string]json.RawMessage
			_ = json.Unmarshal([]byte(argument), &want) // what is no object has none
			p, err := DecodePacket([]byte(`2["x",` + argument + `]`))
			Expect(err).NotTo(HaveOccurred())
			args, err := p.Args()
			Expect(err).NotTo(HaveOccurred())
			Expect(args.Members(1)).To(Equal(want))
		},
		Entry(nil, `{"source":"eu-west"}`), Entry(nil, `{ "a" : 1 , "b":[1,{"c":2}],"a":{"d":"},:"} }`), Entry(nil, `{"\u0061":1}`),
		Entry(nil, `{"é":1}`), Entry(nil, `{"":null}`), Entry(nil, `null`), Entry(nil, `[1]`), Entry(nil, `"x"`),
	)

	It("of an empty object are none", func() {
		p, err := DecodePacket([]byte(`2["x",{}]`))
		Expect(err).NotTo(HaveOccurred())
		args, err := p.Args()
		Expect(err).NotTo(HaveOccurred())
		Expect(args.Members(1)).To(BeEmpty())
		Expect(args.Members(7)).To(BeNil())
	})

	DescribeTable("plain strings are taken as they are, others left to the decoder",
		func(raw, want string, plain bool) {
			text, ok := unescapedString(json.RawMessage(raw))
			Expect(ok).To(Equal(plain))
			Expect(text).To(Equal(want))
		},
		Entry(nil, `"metrics:get"`, "metrics:get", true), Entry(nil, `""`, "", true),
		Entry(nil, `"a\u0062"`, "", false), Entry(nil, `"é"`, "", false), Entry(nil, `1`, "", false), Entry(nil, `[]`, "", false), Entry(nil, ``, "", false),
	)
})

func FuzzMembers(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":"}"}],"a":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var want map[string]json.RawMessage
		if json.Unmarshal(data, &want) != nil || want == nil {
			return
		}
		got, plain := splitObject(data)
		if !plain {
			return
		}
		if len(got) != len(want) {
			t.Fatalf("%q: %d members, the decoder finds %d", data, len(got), len(want))
		}
		for name := range want {
			if string(got[name]) != string(want[name]) {
				t.Fatalf("%q: %q is %q, the decoder has %q", data, name, got[name], want[name])
			}
		}
	})
}

func FuzzElements(f *testing.F) {
	f.Add([]byte(`["a",{"b":[1,"]"]},null]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var want []json.RawMessage
		if json.Unmarshal(data, &want) != nil || want == nil {
			return
		}
		got := splitArray(data)
		if len(got) != len(want) {
			t.Fatalf("%q: %d elements, the decoder finds %d", data, len(got), len(want))
		}
		for i := range got {
			if string(got[i]) != string(want[i]) {
				t.Fatalf("%q: element %d is %q, the decoder has %q", data, i, got[i], want[i])
			}
		}
	})
}
