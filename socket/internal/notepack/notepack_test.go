package notepack

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestNotepack(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "MessagePack as notepack.io has it")
}

var _ = Describe("MessagePack", func() {
	DescribeTable("carries every JSON value there and back", func(text string) {
		b, err := AppendJSON(nil, []byte(text), nil, 100)
		Expect(err).NotTo(HaveOccurred())
		u := Decoder{Rest: b, MaxDepth: 100}
		again, err := u.Value(nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(again)).To(Equal(text))
		Expect(u.Rest).To(BeEmpty())
	},
		Entry("key order", `{"z":1,"a":{"2":[],"1":{}}}`),
		Entry("numbers at the edges", `[0,127,128,255,256,65535,65536,4294967295,4294967296,9007199254740991,-1,-32,-33,-128,-129,-32768,-32769,-2147483648,-2147483649,0.1,-0.5,1e+21,5e-324]`),
		Entry("text", `["","ä€😀","\"\\\n","<&>","`+strings.Repeat("x", 300)+`"]`),
		Entry("long lists", "["+strings.Repeat("true,", 70_000)+"null]"),
		Entry("an object that looks like a placeholder", `{"_placeholder":true,"num":0}`),
	)

	It("puts binary parts where their placeholders stand", func() {
		b, err := AppendJSON(nil, []byte(`["x",{"in":{"_placeholder":true,"num":1}},{"_placeholder":true,"num":0}]`), [][]byte{{9}, {}}, 100)
		Expect(err).NotTo(HaveOccurred())
		u := Decoder{Rest: b, MaxDepth: 100}
		text, err := u.Value(nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).To(Equal(`["x",{"in":{"_placeholder":true,"num":0}},{"_placeholder":true,"num":1}]`))
		Expect(u.Attachments).To(Equal([][]byte{{}, {9}}))
	})
})

var _ = DescribeTable("notepack.io's extensions are read", func(bytes, want string, parts ...[]byte) {
	u := Decoder{Rest: []byte(bytes), MaxDepth: 10}
	text, err := u.Value(nil)
	Expect(err).NotTo(HaveOccurred())
	Expect(string(text)).To(Equal(want))
	if len(parts) == 0 {
		Expect(u.Attachments).To(BeEmpty())
	} else {
		Expect(u.Attachments).To(Equal(parts))
	}
},
	Entry("undefined", "\xd4\x00\x00", "null"),
	Entry("undefined in an array and an object", "\x92\xd4\x00\x00\x82\xa1a\xd4\x00\x00\xa1b\x01", `[null,{"b":1}]`),
	Entry("a date", "\xd7\x00\x00\x00\x00\xdf\xb7\x62\x9c\x00", `"2000-06-13T00:00:00.000Z"`),
	Entry("a date before 1970", "\xd7\x00\xff\xff\xff\xff\xff\xff\xff\xff", `"1969-12-31T23:59:59.999Z"`),
	Entry("a date of newer versions", "\xd6\xff\x39\x45\x79\x80", `"2000-06-13T00:00:00.000Z"`),
	Entry("an ArrayBuffer", "\xc7\x04\x00\x01\x02\x03\x04", `{"_placeholder":true,"num":0}`, []byte{1, 2, 3, 4}),
	Entry("an ArrayBuffer of one byte, which is not undefined", "\xc7\x01\x00\x00", `{"_placeholder":true,"num":0}`, []byte{0}),
	Entry("an unknown one", "\xd5\x07\x01\x02", `[7,{"_placeholder":true,"num":0}]`, []byte{1, 2}),
	Entry("text that is not UTF-8", "\xa3a\xe3o", "\"a\ufffdo\""),
	Entry("a float that is whole", "\xcb\x40\x00\x00\x00\x00\x00\x00\x00", "2"),
	Entry("a float that JSON does not have", "\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", "null"),
)

var _ = DescribeTable("what is no value is an error, without much memory", func(bytes string) {
	u := Decoder{Rest: []byte(bytes), MaxDepth: 10, MaxAttachments: 3}
	_, err := u.Value(nil)
	Expect(err).To(HaveOccurred())
},
	Entry("nothing", ""),
	Entry("an unused code", "\xc1"),
	Entry("a text that ends early", "\xdb\xff\xff\xff\xffabc"),
	Entry("binary that ends early", "\xc6\x7f\xff\xff\xffabc"),
	Entry("an extension that ends early", "\xc9\xff\xff\xff\xff\x00abc"),
	Entry("an extension without a type", "\xc7\x00"),
	Entry("an array that promises much", "\xdd\xff\xff\xff\xff"),
	Entry("an object that promises much", "\xdf\xff\xff\xff\xff"),
	Entry("a key that is an object", "\x81\x80\x01"),
	Entry("nesting", strings.Repeat("\x91", 100)+"\xc0"),
	Entry("many binary parts", "\x94\xc4\x00\xc4\x00\xc4\x00\xc4\x00"),
)

var _ = DescribeTable("the fields of an object are told one by one", func(bytes, want string) {
	u := Decoder{Rest: []byte(bytes), MaxDepth: 10}
	got := ""
	err := u.Map(func(key string) error {
		text, err := u.Value(nil)
		got += key + "=" + string(text) + " "
		return err
	})
	if err != nil {
		got = "error"
	}
	Expect(got).To(Equal(want))
},
	Entry("all, without the undefined ones", "\x83\xa1a\x01\xa1b\xd4\x00\x00\xa1c\x90", "a=1 c=[] "),
	Entry("none", "\x80", ""),
	Entry("no object", "\x90", "error"),
	Entry("nothing", "", "error"),
	Entry("no end", "\x82\xa1a\x01", "error"),
	Entry("no value", "\x81\xa1a", "error"),
	Entry("more than the end", "\x80\x01", "error"),
	Entry("a key that is a number", "\x81\x01\x01", "error"),
)

func FuzzDecoder(f *testing.F) {
	for _, seed := range []string{"", "\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1x\xc4\x01a", "\xc7\x01\x00\x00", "\xd7\xff\x00", "\x91\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		u := Decoder{Rest: b, MaxDepth: 50, MaxAttachments: 5}
		text, err := u.Value(nil)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%x is read as %s", b, text)
		}
		if _, err := AppendJSON(nil, text, u.Attachments, 100); err != nil && !errors.Is(err, ErrDepth) && len(u.Attachments) == 0 {
			t.Fatalf("%s cannot be written: %v", text, err)
		}
	})
}
