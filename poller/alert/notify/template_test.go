package notify

import (
	"errors"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
)

var _ = Describe("a receiver in the settings", func() {
	DescribeTable("is refused with a sentence",
		func(r Receiver, sentence any) {
			if r.Name == "" {
				r.Name = "hook"
			}
			if r.URL == "" {
				r.URL = "https://hook.example/" + secret
			}
			err := Check(r)
			Expect(err).To(MatchError(sentence))
			Expect(err.Error()).NotTo(ContainSubstring(secret))
		},
		Entry("without a good name", Receiver{Name: "a b"}, "the name of a receiver must be 1 to 64 letters, digits, dots, dashes and underscores"),
		Entry("of another type", Receiver{Type: "email"}, "receiver hook: its type must be webhook or alertmanager"),
		Entry("without a host", Receiver{URL: "http:///" + secret}, "receiver hook: its address must be an http:// or https:// URL with a host"),
		Entry("an Alertmanager with a template", Receiver{Type: Alertmanager, Template: "{}"}, "receiver hook: an Alertmanager has no template, its messages are Alertmanager's own"),
		Entry("with a long timeout", Receiver{Timeout: time.Hour}, "receiver hook: its timeout must be between 0 and 1m0s"),
		Entry("with a severity that there is not", Receiver{Severities: []alert.Severity{"fatal"}}, "receiver hook: a severity must be critical, warning or info"),
		Entry("with a line break in a header", Receiver{Header: http.Header{"X-A": {secret + "\r\nX-B: c"}}}, "receiver hook: the header X-A has a value that cannot be sent, with a line break or another control character"),
		Entry("with a header of the program", Receiver{Header: http.Header{"Idempotency-Key": {secret}}}, "receiver hook: the header Idempotency-Key cannot be set: the program does it"),
		Entry("with a content type among the headers", Receiver{Header: http.Header{"Content-Type": {"text/plain"}}}, "receiver hook: the header Content-Type cannot be set: the content type of the receiver is sent as it"),
		Entry("with a template that cannot be read", Receiver{Template: "{\n  {{ .Summary"}, "receiver hook: its template (line 2) cannot be used: unclosed action"),
		Entry("with a function that there is not", Receiver{Template: "{{ shout .Summary }}"}, `receiver hook: its template (line 1) cannot be used: function "shout" not defined`),
		Entry("with a field that there is not", Receiver{Template: "{\"a\":\n {{ json .Sumary }}}"}, "receiver hook: its template (line 2, column 10) cannot be executed: can't evaluate field Sumary in type notify.Data"),
		Entry("with texts that are not quoted", Receiver{Template: "{\n\"text\": \"{{ .Summary }}\"}"}, "receiver hook: its template made something that is not JSON, at line 2 of its output: put every text through the function json, as in {{ json .Summary }}"),
		Entry("with too much output", Receiver{Template: `"{{ range $i := 100000 }}0123456789{{ end }}"`}, "receiver hook: its template made more than 256 KiB"),
		Entry("with a template that calls itself for ever", Receiver{Template: `{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}`}, MatchRegexp("its template .* cannot be executed: exceeded maximum template depth")),
		Entry("with a header whose template is wrong", Receiver{Header: http.Header{"X-A": {"{{ .Nothing }}"}}}, "receiver hook: the template in its header X-A (line 1, column 4) cannot be executed: can't evaluate field Nothing in type notify.Data"),
		Entry("with a header that gets a line break", Receiver{Header: http.Header{"X-A": {"{{ .Summary }}"}}}, "receiver hook: the template in its header X-A made a value that cannot be sent, with a line break or another control character"),
	)

	It("has an error with the place in the template", func() {
		var e *TemplateError
		Expect(errors.As(Check(Receiver{Name: "hook", URL: "https://hook.example", Template: "{\n\n{{ json .Nope }}}"}), &e)).To(BeTrue())
		Expect(*e).To(Equal(TemplateError{Receiver: "hook", Line: 3, Column: 9, Sentence: "cannot be executed: can't evaluate field Nope in type notify.Data"}))
	})

	It("may send something else than JSON", func() {
		Expect(Check(Receiver{Name: "hook", URL: "https://hook.example", ContentType: "text/plain; charset=utf-8", Template: "{{ .Summary }}"})).To(Succeed())
	})
})

var _ = Describe("a template", func() {
	body := func(text string) string {
		GinkgoHelper()
		r := Receiver{Name: "hook", URL: "https://hook.example", ContentType: "text/plain", Template: text, Header: http.Header{"X-Key": {secret}, "X-Kind": {"{{ .Kind }}/{{ .Region }}"}}}
		t, err := compile(r, http.DefaultTransport)
		Expect(err).NotTo(HaveOccurred())
		body, header, err := t.templates.render(r, examples("hook")[0], "https://insights.example")
		Expect(err).NotTo(HaveOccurred())
		Expect(header).To(Equal(http.Header{"X-Key": {secret}, "X-Kind": {"firing/eu-west"}}))
		return string(body)
	}
	DescribeTable("can write",
		func(text, written string) { Expect(body(text)).To(Equal(written)) },
		Entry("the fields of version 4", `{{ .Version }} {{ .Status }} {{ .CommonLabels.team }} {{ (index .Alerts 0).Labels.region }}`, "4 firing core eu-west"),
		Entry("nothing for a label that is not there", `<{{ .CommonLabels.owner }}>`, "<>"),
		Entry("what tells the message apart", `{{ .Key }} {{ .Kind }} {{ .Incident }}`, "0123456789abcdef-1767323045678-hook-1 firing 0123456789abcdef-1767323045678"),
		Entry("what the alert says", `{{ .Rule }} {{ .API }} {{ .Region }} {{ .Severity }} {{ .Link }}`, "region-down acme eu-west critical https://insights.example/api/v1/incidents/0123456789abcdef-1767323045678"),
		Entry("JSON", `{{ json "a\"b" }}{{ json .GroupLabels }}`, `"a\"b"{"alertname":"region-down","api":"acme","region":"eu-west"}`),
		Entry("one of the receiver's own headers", `{{ header "x-key" }}`, secret),
		Entry("texts that are cut", `{{ truncate 5 "日本語日本語" }} {{ truncate 5 "short" }} {{ slack 7 "<a>" }} {{ slack 9 "<a>" }}`, "日本語日… short &lt;a… &lt;a&gt;"),
		Entry("other forms of texts", `{{ toUpper "a" }}{{ toLower "B" }}{{ trimSpace " c " }}{{ line "d\n e" }}{{ "" | default "f" }}{{ replaceAll "x" "g" "x" }}`, "Abcd efg"),
		Entry("times", `{{ time "15:04" .StartsAt }}`, "03:04"),
	)
})
