package notify

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	validator "github.com/pb33f/jsonschema/v6"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// schemaOf returns what checks a body against a schema of testdata.
func schemaOf(name string) func([]byte) error {
	GinkgoHelper()
	compiler := validator.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile("testdata/" + name + ".schema.json")
	Expect(err).NotTo(HaveOccurred())
	return func(body []byte) error {
		value, err := validator.UnmarshalJSON(bytes.NewReader(body))
		if err != nil {
			return err
		}
		return schema.Validate(value)
	}
}

// situations are the messages that a template has to stand.
func situations(receiver string) []alert.Message {
	messages := examples(receiver)
	long := messages[0]
	long.Kind = alert.MessageReminder
	long.Alert.Summary = strings.Repeat("<&>", 2000)
	long.Alert.Description = strings.Repeat("日本語&", 5000)
	long.Alert.Region, long.Alert.Severity = strings.Repeat("r<", 100), alert.Warning
	blank := messages[1]
	blank.Alert.Summary, blank.Alert.Description = " \n", " \n\t "
	return append(messages, long, blank, testMessages(receiver, time.Now())[1])
}

var _ = Describe("the templates of deploy/receivers", func() {
	template := func(name string) Receiver {
		GinkgoHelper()
		text, err := os.ReadFile("../../../deploy/receivers/" + name + ".tmpl")
		Expect(err).NotTo(HaveOccurred())
		return Receiver{Name: name, URL: "https://" + name + ".example", Template: string(text), Header: http.Header{"X-Routing-Key": {strings.Repeat("k", 32)}}}
	}
	rendered := func(r Receiver, m alert.Message, externalURL string) []byte {
		GinkgoHelper()
		t, err := compile(r, http.DefaultTransport)
		Expect(err).NotTo(HaveOccurred())
		body, _, err := t.templates.render(r, m, externalURL)
		Expect(err).NotTo(HaveOccurred())
		return body
	}

	DescribeTable("make what the provider documents, of every message",
		func(name string, most int) {
			check := schemaOf(name)
			for _, m := range situations(name) {
				for _, externalURL := range []string{"", "https://insights.example/"} {
					body := rendered(template(name), m, externalURL)
					Expect(check(body)).To(Succeed(), string(body))
					Expect(len(body)).To(BeNumerically("<=", most))
				}
			}
		},
		Entry("Slack", "slack", 64<<10),
		Entry("Microsoft Teams, which takes 28 KB", "teams", 28_000),
		Entry("PagerDuty, which takes 512 KB", "pagerduty", 512<<10),
	)

	DescribeTable("are checked by schemas that refuse what the provider would",
		func(name, from, to string) {
			body := string(rendered(template(name), examples(name)[0], "https://insights.example"))
			Expect(body).To(ContainSubstring(from))
			Expect(schemaOf(name)([]byte(strings.Replace(body, from, to, 1)))).NotTo(Succeed())
		},
		Entry("Slack, a block that there is not", "slack", `"header"`, `"heading"`),
		Entry("Slack, an empty text", "slack", `"3 polls in a row failed: did not answer in time."`, `""`),
		Entry("Teams, another kind of card", "teams", `"AdaptiveCard"`, `"MessageCard"`),
		Entry("Teams, a color that there is not", "teams", `"Attention"`, `"Red"`),
		Entry("PagerDuty, an action that there is not", "pagerduty", `"trigger"`, `"fire"`),
		Entry("PagerDuty, a severity that there is not", "pagerduty", `"severity": "critical"`, `"severity": "fatal"`),
	)

	It("tell PagerDuty by the incident what is resolved", func() {
		var fired, over struct {
			Key    string `json:"routing_key"`
			Action string `json:"event_action"`
			Dedup  string `json:"dedup_key"`
		}
		messages := testMessages("pagerduty", time.Now())
		Expect(json.Unmarshal(rendered(template("pagerduty"), messages[0], ""), &fired)).To(Succeed())
		Expect(json.Unmarshal(rendered(template("pagerduty"), messages[1], ""), &over)).To(Succeed())
		Expect(fired.Action).To(Equal("trigger"))
		Expect(over.Action).To(Equal("resolve"))
		Expect(over.Dedup).To(And(Equal(fired.Dedup), Equal(messages[0].Alert.Incident)))
		Expect(fired.Key).To(Equal(strings.Repeat("k", 32)))
	})

	It("let nobody mention or link in Slack by the text of an alert", func() {
		m := examples("slack")[0]
		m.Alert.Summary, m.Alert.Description = "<!channel>", "<https://evil.example|Runbook>"
		var message struct {
			Text   string
			Blocks []struct{ Text struct{ Type, Text string } }
		}
		Expect(json.Unmarshal(rendered(template("slack"), m, ""), &message)).To(Succeed())
		Expect(message.Text).To(Equal("FIRING: &lt;!channel&gt;"))
		Expect(message.Blocks[1].Text.Text).To(Equal("&lt;https://evil.example|Runbook&gt;"))
	})
})

var _ = Describe("version 4", func() {
	It("is what Prometheus documents, of every message", func() {
		check := schemaOf("webhook")
		for _, m := range situations("hook") {
			body, err := json.Marshal(document(m, "https://insights.example"))
			Expect(err).NotTo(HaveOccurred())
			Expect(check(body)).To(Succeed(), string(body))
		}
	})

	It("says of an alert when it began, when it ended and where it can be seen", func() {
		m := examples("hook")[0]
		m.Kind = alert.MessageResolved
		ended := m.Alert.StartedAt.Add(time.Minute)
		m.Alert.EndedAt = &ended
		body, err := json.Marshal(document(m, "https://insights.example/"))
		Expect(err).NotTo(HaveOccurred())
		Expect(body).To(MatchJSON(`{
			"version": "4", "groupKey": "{}:{alertname=\"region-down\", api=\"acme\", region=\"eu-west\"}", "truncatedAlerts": 0,
			"status": "resolved", "receiver": "hook", "externalURL": "https://insights.example/",
			"groupLabels": {"alertname": "region-down", "api": "acme", "region": "eu-west"},
			"commonLabels": {"alertname": "region-down", "api": "acme", "region": "eu-west", "severity": "critical", "team": "core"},
			"commonAnnotations": {"summary": "acme is down in eu-west", "description": "3 polls in a row failed: did not answer in time.", "runbook_url": "https://runbooks.example/region-down"},
			"alerts": [{
				"status": "resolved", "fingerprint": "0123456789abcdef",
				"labels": {"alertname": "region-down", "api": "acme", "region": "eu-west", "severity": "critical", "team": "core"},
				"annotations": {"summary": "acme is down in eu-west", "description": "3 polls in a row failed: did not answer in time.", "runbook_url": "https://runbooks.example/region-down"},
				"startsAt": "2026-01-02T03:04:05.678Z", "endsAt": "2026-01-02T03:05:05.678Z",
				"generatorURL": "https://insights.example/api/v1/incidents/0123456789abcdef-1767323045678"
			}]
		}`))
	})

	It("has the zero time as the end of an alert that fires, as Alertmanager has", func() {
		body, err := json.Marshal(document(examples("hook")[0], ""))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(body)).To(And(ContainSubstring(`"endsAt":"0001-01-01T00:00:00Z"`), ContainSubstring(`"generatorURL":""`)))
	})
})
