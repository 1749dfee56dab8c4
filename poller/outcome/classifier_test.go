package outcome

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("the state of a value", func() {
	classify := func(field, data string) (store.State, string) {
		GinkgoHelper()
		c, err := NewClassifier(field, []string{"ok", " Operational "}, []string{"degraded", "warning"})
		Expect(err).NotTo(HaveOccurred())
		return c.State(json.RawMessage(data))
	}

	DescribeTable("is that of its field", func(field, data string, state store.State, reason string) {
		got, why := classify(field, data)
		Expect([]string{string(got), why}).To(Equal([]string{string(state), reason}))
	},
		Entry("up", "status", `{"status":"ok","n":1}`, store.StateUp, ""),
		Entry("up in other letters", "status", `{"status":" OK "}`, store.StateUp, ""),
		Entry("another word for up", "status", `{"status":"operational"}`, store.StateUp, ""),
		Entry("degraded", "status", `{"status":"Warning"}`, store.StateDegraded, "Warning"),
		Entry("down by any other word", "status", `{"status":"fire"}`, store.StateDown, "fire"),
		Entry("down by a number", "status", `{"status":3}`, store.StateDown, "3"),
		Entry("down by false", "status", `{"status":false}`, store.StateDown, "false"),
		Entry("down by an empty text", "status", `{"status":""}`, store.StateDown, "(empty)"),
		Entry("down by an object", "status", `{"status":{"a":1}}`, store.StateDown, `{"a":1}`),
		Entry("up without the field", "status", `{"n":1}`, store.StateUp, ""),
		Entry("up with null", "status", `{"status":null}`, store.StateUp, ""),
		Entry("up where the value is no object", "status", `[{"status":"fire"}]`, store.StateUp, ""),
		Entry("up where the value is a text", "status", `"fire"`, store.StateUp, ""),
		Entry("the last of two fields, as in JavaScript", "status", `{"status":"ok","status":"fire"}`, store.StateDown, "fire"),
		Entry("the name as it is written", "status", `{"Status":"fire"}`, store.StateUp, ""),
		Entry("deep", "a.b.c", `{"a":{"b":{"c":"fire"}}}`, store.StateDown, "fire"),
		Entry("deep, and not there", "a.b.c", `{"a":{"b":["c"]}}`, store.StateUp, ""),
		Entry("a dot in a name", `a\.b.c`, `{"a.b":{"c":"fire"}}`, store.StateDown, "fire"),
		Entry("a backslash in a name", `a\\`, `{"a\\":"fire"}`, store.StateDown, "fire"),
		Entry("bytes that are no JSON", "status", `{"status":`, store.StateUp, ""),
		Entry("signs that break lines", "status", `{"status":"a\nb\u0000c\u2028d"}`, store.StateDown, "a b c d"),
	)

	It("has a reason of 100 characters at most", func() {
		_, reason := classify("status", `{"status":"`+strings.Repeat("ä", 5000)+`"}`)
		Expect(utf8.RuneCountInString(reason)).To(Equal(100))
		_, reason = classify("status", `{"status":"`+strings.Repeat(" ", 5000)+`"}`)
		Expect(reason).To(Equal("(empty)"))
	})

	DescribeTable("needs settings that can work", func(field string, up, degraded []string, part string) {
		_, err := NewClassifier(field, up, degraded)
		Expect(err).To(MatchError(ContainSubstring(part)))
	},
		Entry("no field", "", []string{"ok"}, nil, "no path"),
		Entry("an empty name", "a..b", []string{"ok"}, nil, "no path"),
		Entry("a dot at the end", "a.", []string{"ok"}, nil, "no path"),
		Entry("a backslash at the end", `a\`, []string{"ok"}, nil, "no path"),
		Entry("no word for up", "a", []string{" "}, nil, "no word means up"),
		Entry("a word for both", "a", []string{"OK"}, []string{"ok"}, `"ok" means up and degraded`),
	)
})
