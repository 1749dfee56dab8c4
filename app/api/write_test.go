package api_test

import (
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/api"
)

var _ = Describe("who may write", func() {
	It("is who sends the token on the public port", func() {
		s, _ := serveAlerts()
		for _, sent := range []string{"", "Bearer", "Bearer ", "Bearer " + token + "x", "Bearer " + token[1:], "Basic " + token, token} {
			a := send(http.MethodPost, s.url+"/api/v1/silences", silence, "Content-Type", "application/json", "Authorization", sent)
			a.refused(401, "ALERT_TOKEN")
			Expect(a.Header.Get("WWW-Authenticate")).To(HavePrefix("Bearer"))
			ask(http.MethodDelete, s.url+"/api/v1/silences/deploy-17?by=Jo", "Authorization", sent).refused(401)
		}
		Expect(s.get("/api/v1/silences").items()).To(BeEmpty())
		Expect(s.audited()).To(HaveLen(14))
		Expect(s.audited()).To(HaveEach(And(ContainSubstring("result=refused"), ContainSubstring("status=401"), ContainSubstring("address=\"127.0.0.1:"))))
		s.post("/api/v1/silences", silence, "Authorization", "bearer "+token).object(201)
		Expect(string(s.logs.Contents())).NotTo(ContainSubstring(token[:8]))
	})
	It("is nobody there where no token is set", func() {
		s, _ := serveAlerts(func(o *api.Options) { o.Alerting.Token = "" })
		for _, sent := range []string{"", "Bearer ", "Bearer " + token} {
			s.post("/api/v1/silences", silence, "Authorization", sent).refused(403, "ALERT_TOKEN")
		}
		Expect(s.audited()).To(HaveLen(3))
	})
	It("is everybody on the internal address", func() {
		var o api.Options
		s, _ := serveAlerts(func(given *api.Options) { given.Alerting.Token = ""; o = *given })
		inside := mount(o, true)
		send(http.MethodPost, inside+"/api/v1/silences", silence, "Content-Type", "application/json").object(201)
		Expect(s.get("/api/v1/silences").items()).To(HaveLen(1))
		ask(http.MethodDelete, inside+"/api/v1/silences/deploy-17?by=Kim").object(200)
		Expect(s.get("/api/v1/silences").items()).To(BeEmpty())
	})
})

var _ = Describe("a body", func() {
	DescribeTable("that cannot be understood is refused with a sentence", func(body string, status int, parts ...string) {
		s, _ := serveAlerts()
		s.post("/api/v1/silences", body).refused(status, parts...)
		Expect(s.audited()).To(ConsistOf(And(ContainSubstring("result=refused"), ContainSubstring("action=add_silence"))))
		Expect(s.get("/api/v1/silences").items()).To(BeEmpty())
	},
		Entry("none", ``, 400, "not valid JSON", "createdBy"),
		Entry("no JSON", `{"id":`, 400, "not valid JSON"),
		Entry("no object", `[1]`, 400, "array", "object"),
		Entry("two objects", silence+`{}`, 400, "one object"),
		Entry("an unknown member", `{"owner":"Jo"}`, 400, "owner", "createdBy"),
		Entry("an unknown member of a matcher", `{"matchers":[{"key":"x"}]}`, 400, "key", "isRegex"),
		Entry("a number for a text", `{"duration":7200}`, 400, "duration", "number", "string"),
		Entry("a text for a choice", `{"matchers":[{"isRegex":"no"}]}`, 400, "isRegex", "string", "true or false"),
		Entry("no array", `{"matchers":"x"}`, 400, "matchers", "an array"),
		Entry("a wrong time", `{"endsAt":"soon"}`, 400, "endsAt", "soon", "RFC 3339"),
		Entry("a wrong start", `{"startsAt":"soon"}`, 400, "startsAt", "soon", "RFC 3339"),
		Entry("a wrong duration", `{"duration":"long"}`, 400, "duration", "long", "1d12h"),
		Entry("no end", `{"createdBy":"Jo"}`, 400, "endsAt", "duration"),
		Entry("two ends", `{"endsAt":"2026-11-26T00:00:00Z","duration":"1h"}`, 400, "not both"),
		Entry("nobody", `{"duration":"1h"}`, 400, "createdBy"),
		Entry("no matcher", `{"duration":"1h","createdBy":"Jo"}`, 400, "silence was not made", "matchers"),
		Entry("a wrong expression", `{"duration":"1h","createdBy":"Jo","matchers":[{"name":"a","value":"(","isRegex":true}]}`, 400, "matchers[0]"),
		Entry("an end in the past", `{"endsAt":"2026-11-01T00:00:00Z","createdBy":"Jo","matchers":[{"name":"a","value":"b"}]}`, 400, "past"),
		Entry("a wrong id", `{"id":"a b","duration":"1h","createdBy":"Jo","matchers":[{"name":"a","value":"b"}]}`, 400, "a b"),
		Entry("one that is too long", `{"comment":"`+strings.Repeat("x", 64<<10)+`"}`, 413, "65536"),
	)
	DescribeTable("of another type is refused", func(kind string) {
		s, _ := serveAlerts()
		a := s.post("/api/v1/silences", silence, "Content-Type", kind)
		a.refused(415, "application/json")
		Expect(s.audited()).To(HaveLen(1))
	}, Entry(nil, ""), Entry(nil, "text/plain"), Entry(nil, "application/x-www-form-urlencoded"), Entry(nil, "application/json; x"))
	It("may name its character set", func() {
		s, _ := serveAlerts()
		s.post("/api/v1/silences", silence, "Content-Type", "Application/JSON; charset=utf-8").object(201)
	})
})
