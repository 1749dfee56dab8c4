package program

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = DescribeTable("an upstream's bytes reach dashboards as JavaScript reads them: updates, values and history", func(body, contentType, value string) {
	s := startStored(0, time.Now())
	s.upstream.Handle("eu-west", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write([]byte(body))
	})
	Eventually(s.dashboard.Events, "20s").Should(Receive(HaveField("Frame", ContainSubstring(value))))
	for _, event := range []string{"metrics:get", "metrics:getHistory"} {
		for _, question := range []string{`{}`, `{"source":"eu-west"}`} {
			Expect(answer(s.dashboard, event, question).Frame).To(ContainSubstring(value), event+question)
		}
	}
	s.hear()
	stop(s.cmd, "10s")
},
	Entry("latin-1", "{\"city\":\"S\xe3o\"}", "application/json", "{\"city\":\"S\ufffdo\"}"),
	Entry("latin-1 in a key", "{\"S\xe3o\":1}", "application/json", "{\"S\ufffdo\":1}"),
	Entry("a cut sequence", "{\"a\":\"x\xe2\x82\"}", "application/json", "{\"a\":\"x\ufffd\"}"),
	Entry("an encoded surrogate", "{\"a\":\"\xed\xa0\x80\"}", "application/json", "{\"a\":\"\ufffd\ufffd\ufffd\"}"),
	Entry("an overlong form", "{\"a\":\"\xc0\xaf\"}", "application/json", "{\"a\":\"\ufffd\ufffd\"}"),
	Entry("an escaped surrogate", `{"a":"\ud800"}`, "application/json", `{"a":"\ud800"}`),
	Entry("a byte order mark", "\ufeff{\"a\":1}", "application/json", `{"a":1}`),
	Entry("windows-1252 that is named", "{\"e\":\"\x80\"}", "application/json; charset=windows-1252", `{"e":"€"}`),
	Entry("UTF-16", "\xff\xfe7\x007\x007\x007\x00", "application/json; charset=utf-16", ":7777"),
)
