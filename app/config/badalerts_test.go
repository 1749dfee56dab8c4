package config_test

import (
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/config"
)

// one are files with one thing of alerts in them.
func oneReceiver(text string) string {
	return "alerts:\n  receivers:\n    - {name: chat, url: \"https://h/hunter2\", " + text + "}\n"
}

func oneRule(text string) string { return "alerts:\n  rules:\n    - {name: x, " + text + "}\n" }

func oneWindow(text string) string { return "alerts:\n  maintenance:\n    - {name: x, " + text + "}\n" }

var _ = DescribeTable("alerts with mistakes are told in sentences, each with its place", func(text string, sentences ...string) {
	dir := folder(map[string]string{
		"c.yaml": text, "bad.tmpl": "{\n  \"a\": {{ nothing }}\n}\n", "run.tmpl": "{\"a\": {{ json .Nothing.hunter2 }}}\n", "text.tmpl": "hunter2 {{ .Summary }}", "empty": "", "big.tmpl": strings.Repeat("x", 70<<10), "url": "hunter2",
	})
	_, _, err := config.Load(nil, env("CONFIG_FILE", filepath.Join(dir, "c.yaml"), "SECRET", "hunter2"))
	Expect(err).To(HaveOccurred())
	lines := strings.Split(err.Error(), "\n")
	Expect(lines).To(HaveLen(len(sentences)), err.Error())
	for i, sentence := range sentences {
		place, part, _ := strings.Cut(sentence, " ")
		Expect(lines[i]).To(ContainSubstring("c.yaml:" + place + ": "))
		Expect(lines[i]).To(ContainSubstring(part))
	}
	Expect(err.Error()).NotTo(ContainSubstring("hunter"))
},
	Entry(nil, "alerts: hunter2", "1:9 keys with values"),
	Entry(nil, "alerts: {default-rules: false}", `1:10 "default-rules" is no key here: is default_rules meant?`),
	Entry(nil, "alerts: {default_rules: maybe}", "1:25 true or false"),
	Entry(nil, "alerts: {receivers: [], rules: [], maintenance: []}", "1:21 receivers has 0 entries: 1 to 50", "1:32 rules has 0 entries: 1 to 200", "1:49 maintenance has 0 entries: 1 to 100"),
	Entry(nil, "alerts: {rules: {name: x}}", "1:18 a list is expected"),

	Entry("receiver: no url", "alerts: {receivers: [{name: a}]}", "1:23 this receiver has no url"),
	Entry("receiver: no name", "alerts: {receivers: [{url: \"https://h/\"}]}", "1:23 this receiver has no name"),
	Entry("receiver: a name that is none", "alerts: {receivers: [{name: a b, url: \"https://h/\"}]}", "1:29 cannot be the name of the receiver"),
	Entry("receiver: an unknown key", oneReceiver("hunter2: 1"), "3:46 this key is unknown; allowed here: name, type, url, headers, template, content_type, timeout, severities, tls"),
	Entry("receiver: a slip", oneReceiver("contentType: text/plain"), `3:46 "contentType" is no key here: is content_type meant?`),
	Entry("receiver: twice", "alerts:\n  receivers:\n    - {name: a, url: \"https://h/\"}\n    - {name: A, url: \"https://h/\"}\n", "4:14 the receiver a stands here a second time"),
	Entry("receiver: a url that is none", "alerts: {receivers: [{name: a, url: hunter2}]}", "1:37 this url is no URL that can be called"),
	Entry("receiver: a url of another scheme", "alerts: {receivers: [{name: a, url: \"ftp://h/hunter2\"}]}", "1:37 http:// or https://"),
	Entry("receiver: a url with a bad port", "alerts: {receivers: [{name: a, url: \"https://h:hunter2/\"}]}", "1:37 no URL"),
	Entry("receiver: a url out of a file", "alerts: {receivers: [{name: a, url: \"file:url\"}]}", "1:37 no URL"),
	Entry("receiver: a url out of no file", "alerts: {receivers: [{name: a, url: \"file:none\"}]}", "1:37 cannot be read: no such file"),
	Entry("receiver: a type that is none", oneReceiver("type: pager"), "3:52 webhook or alertmanager is expected"),
	Entry("receiver: a severity that is none", oneReceiver("severities: [critical, hunter2]"), "3:69 critical, warning or info is expected"),
	Entry("receiver: a timeout without unit", oneReceiver("timeout: 5"), "3:55 no unit"),
	Entry("receiver: a timeout that is too long", oneReceiver("timeout: 2m"), "3:55 out of range: more than 0s, and at most 1m0s"),
	Entry("receiver: no timeout at all", oneReceiver("timeout: 0s"), "3:55 out of range"),
	Entry("receiver: a template that is no file", oneReceiver("template: none.tmpl"), "3:56 this file cannot be read: no such file"),
	Entry("receiver: a template that cannot be read", oneReceiver("template: bad.tmpl"), `3:56 line 2, column 1 of this file: the template cannot be used: function "nothing" not defined`),
	Entry("receiver: a template that does not work", oneReceiver("template: run.tmpl"), "3:56 line 1"),
	Entry("receiver: a template that makes no JSON", oneReceiver("template: text.tmpl"), "3:56 the template in this file made something that is not JSON"),
	Entry("receiver: a template that is too large", oneReceiver("template: big.tmpl"), "3:56 64 KiB"),
	Entry("receiver: a template for an Alertmanager", oneReceiver("type: alertmanager, template: text.tmpl"), "3:76 an Alertmanager has no template"),
	Entry("receiver: a header with a template that cannot be read", oneReceiver(`headers: {X-Key: "a {{ nothing }}"}`), `3:64 the template of this header cannot be used: function "nothing" not defined`),
	Entry("receiver: a header that the program sets", oneReceiver("headers: {Idempotency-Key: hunter2}"), "3:14 the header Idempotency-Key cannot be set"),
	Entry("receiver: a header that is none", oneReceiver("headers: {\"hunter2 x\": y}"), "3:56 no name of a header"),
	Entry("receiver: TLS without https", "alerts: {receivers: [{name: a, url: \"http://h/\", tls: {server_name: hunter2}}]}", "1:56 tls is for an url that begins with https://"),
	Entry("receiver: TLS without certificates", oneReceiver("tls: {ca: empty, cert: empty}"), "3:52 cert and key belong together", "3:56 no certificate in this file"),

	Entry("rule: no name, no expr", "alerts: {rules: [{summary: x}]}", "1:19 this rule has no expr", "1:19 this rule has no name"),
	Entry("rule: an unknown key", oneRule("expr: down, hunter2: 1"), "3:29 this key is unknown; allowed here: name, expr, over, for"),
	Entry("rule: twice", "alerts:\n  rules:\n    - {name: a, expr: down}\n    - {name: A, expr: up}\n", "4:14 this rule stands here a second time"),
	Entry("rule: the name of what needs none", "alerts:\n  rules:\n    - {name: receiver-failing, expr: down}\n", "3:14 which needs no rule"),
	Entry("rule: a name that is too long", "alerts:\n  rules:\n    - {name: "+strings.Repeat("a", 101)+", expr: down}\n", "3:14 1 to 100 printable characters"),
	Entry("rule: an expression that has no end", oneRule("expr: down &&"), "3:29 expr: "),
	Entry("rule: an unknown name", oneRule("expr: down && nothing"), "3:31 nothing"),
	Entry("rule: an unknown name behind quotes", oneRule(`expr: "status == \"ok\" && nothing"`), "3:44 nothing"),
	Entry("rule: an unknown name in a block", "alerts:\n  rules:\n    - name: x\n      expr: |\n        down &&\n          nothing\n", "6:11 nothing"),
	Entry("rule: an unknown name in a folded block", "alerts:\n  rules:\n    - name: x\n      expr: >-\n        down\n        && nothing\n", "6:12 nothing"),
	Entry("rule: an unknown name behind a variable", oneRule(`expr: 'status != "${SECRET}" && nothing'`), "3:23 (at line 1, column 24 of the text that begins here)"),
	Entry("rule: an expression that is no condition", oneRule("expr: failures + 1"), "3:23 expr: "),
	Entry("rule: no expression", oneRule(`expr: ""`), "3:23 expr: a condition is expected"),
	Entry("rule: over what is nothing", oneRule("expr: down, over: hunter2"), "3:35 region or all is expected"),
	Entry("rule: for of both units", oneRule("expr: down, for: 5m 3 polls"), "3:34 not both"),
	Entry("rule: for of both units, the other way round", oneRule("expr: down, for: 3 polls 5m"), "3:34 a number of polls is expected"),
	Entry("rule: for of no unit", oneRule("expr: down, for: 5"), "3:34 no unit"),
	Entry("rule: for of no polls", oneRule("expr: down, for: 0 polls"), "3:34 1 to 1000 polls"),
	Entry("rule: for of too many polls", oneRule("expr: down, for: 1001 polls"), "3:34 1 to 1000 polls"),
	Entry("rule: for that is too long", oneRule("expr: down, for: 9000h"), "3:34 for: "),
	Entry("rule: polls over all", oneRule("expr: count(down) > 1, over: all, for: 3 polls"), "3:56 for: "),
	Entry("rule: keep_for that is negative, reminder that is too short", oneRule("expr: down, keep_for: -5m, reminder: 1s"), "3:39 a duration is expected", "3:54 reminder: "),
	Entry("rule: a severity that is none", oneRule("expr: down, severity: hunter2"), "3:39 critical, warning or info"),
	Entry("rule: labels that are none", oneRule("expr: down, labels: {a-b: x, region: y}"), "3:38 no name of a label", "3:46 every alert has this label"),
	Entry("rule: texts that cannot be read", oneRule(`expr: down, summary: "{{ .region", description: "{{ .nothing }}"`), "3:39 summary: ", "3:69 description: "),
	Entry("rule: a runbook that is none", oneRule("expr: down, runbook_url: hunter2"), "3:42 runbook_url: "),
	Entry("rule: names that do not exist", oneRule("expr: down, apis: [hunter2], regions: [hunter2], receivers: [hunter2]"), "3:36 this API does not exist: there are demo", "3:78 this receiver does not exist: there is none"),
	Entry("rule: an API that is a slip", "apis: [{name: acme}]\nalerts: {rules: [{name: x, expr: down, apis: [acne]}]}", "2:47 is acme meant?"),
	Entry("rule: regions that do not exist", oneRule("expr: down, regions: [hunter2, us-eats]"), "3:39 this region does not exist: there are us-east, eu-west", "3:48 is us-east meant?"),
	Entry("rule: names that are slips", "apis: [{name: acme, regions: [north]}]\nalerts: {rules: [{name: x, expr: down, regions: [nort]}]}", "2:50 is north meant?"),
	Entry("rule: a region of another API", "apis: [{name: a, regions: [north]}, {name: b, regions: [elsewhere]}]\nalerts: {rules: [{name: x, expr: down, apis: [a], regions: [elsewhere]}]}", "2:61 this region does not exist: there are north"),
	Entry("rule: a name twice, and an empty list", oneRule("expr: down, regions: [us-east, US-East], apis: []"), "3:48 this region stands here a second time", "3:64 this list is empty: leave it out where every API is meant"),
	Entry("names are not looked up where they may be among mistakes", "apis: [{nam: acme}]\nalerts: {rules: [{name: x, expr: down, apis: [acme]}]}", `1:9 "nam" is no key here`, "1:9 this API has no name"),

	Entry("window: no time", oneWindow("title: hunter2"), "3:14 this window has no time"),
	Entry("window: both kinds", oneWindow("start: 2026-01-01 00:00, cron: 0 3 * * *"), "3:14 not both"),
	Entry("window: no end", oneWindow("start: 2026-01-01 00:00"), "3:14 start and end belong together"),
	Entry("window: an end before the start", oneWindow("start: 2026-01-01 00:00, end: 2025-12-31 23:00"), "3:47 this end is not after the start"),
	Entry("window: an end at the start", oneWindow("start: 2026-01-01 00:00, end: 2026-01-01 00:00"), "3:47 not after"),
	Entry("window: a time that is none", oneWindow("start: hunter2, end: 2026-13-01 00:00"), "3:24 a time is expected", "3:38 a time is expected"),
	Entry("window: a time that does not exist", oneWindow("start: 2026-03-29 02:30, end: 2026-03-29 04:00, time_zone: Europe/Berlin"), "3:24 does not exist in the time zone"),
	Entry("window: a time zone that is none", oneWindow("cron: 0 3 * * *, duration: 1h, time_zone: Mars/hunter2"), "3:59 no time zone has this name"),
	Entry("window: a time zone of the machine", oneWindow("cron: 0 3 * * *, duration: 1h, time_zone: Local"), "3:59 no time zone has this name"),
	Entry("window: cron that is none", oneWindow("cron: 0 25 * * *, duration: 1h"), "3:23 five fields are expected"),
	Entry("window: cron with seconds", oneWindow("cron: 0 0 3 * * *, duration: 1h"), "3:23 five fields are expected"),
	Entry("window: cron without duration", oneWindow("cron: 0 3 * * *"), "3:14 duration is missing"),
	Entry("window: duration without cron", oneWindow("duration: 1h"), "3:14 cron is missing"),
	Entry("window: a duration that is too long", oneWindow("cron: 0 3 * * *, duration: 745h"), "3:44 1m0s to 744h0m0s are allowed"),
	Entry("window: longer than the time to the next one", oneWindow("cron: 0 3 * * *, duration: 25h"), "3:23 a window has to end before the next one begins"),
	Entry("window: one that never comes", oneWindow("cron: 0 3 31 2 *, duration: 1h"), "3:23 never comes"),
	Entry("window: one that lasts years", oneWindow("start: 2026-01-01 00:00, end: 2028-01-01 00:00"), "3:47 31 days are allowed"),
	Entry("window: announced too early", oneWindow("cron: 0 3 * * *, duration: 1h, announce: 721h"), "3:58 at most 720h0m0s"),
	Entry("window: twice", "alerts:\n  maintenance:\n    - {name: a, cron: 0 3 * * *, duration: 1h}\n    - {name: A, cron: 0 3 * * *, duration: 1h}\n", "4:14 the window a stands here a second time"),
	Entry("window: names that do not exist", oneWindow("cron: 0 3 * * *, duration: 1h, regions: [hunter2]"), "3:58 this region does not exist"),
)

var _ = It("refuses a receiver with the name of that of the environment", func() {
	_, _, err := config.Load(nil, yaml("alerts: {receivers: [{name: webhook, url: \"https://h/\"}]}", "ALERT_WEBHOOK_URL", "https://h/"))
	Expect(err).To(MatchError(ContainSubstring("c.yaml:1:29: webhook is the receiver of ALERT_WEBHOOK_URL")))
	_, _, err = config.Load(nil, yaml("alerts: {receivers: [{name: webhook, url: \"https://h/\"}]}"))
	Expect(err).NotTo(HaveOccurred())
})
