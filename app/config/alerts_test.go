package config_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/notify"
	"github.com/devops-insights/devops-insights/poller/alert/quiet"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
)

// allOfAlerts is a file that says all that can be said of alerts.
const allOfAlerts = `
apis:
  - {name: acme, regions: [eu-west, us-east]}
  - {name: other, regions: [sa-east]}
alerts:
  default_rules: false
  receivers:
    - name: Chat
      url: file:chat-url
      headers: {x-api-key: "${KEY}", X-Team: "{{ .Region }}"}
      template: chat.tmpl
      content_type: application/json; charset=utf-8
      timeout: 5s
      severities: [critical, warning]
      tls: {ca: ca.pem, server_name: chat.example}
    - {name: am, type: alertmanager, url: "http://am.example:9093"}
  rules:
    - name: Hot region
      expr: |
        status != "ok"
          && failures > 2
      over: region
      for: 3 polls
      keep_for: 10m
      severity: critical
      labels: {team: core, cost_center: 7}
      summary: "{{ .region }} is hot"
      description: more
      runbook_url: https://wiki.example/{{ .region }}
      reminder: 4h
      apis: [ACME]
      regions: [eu-west]
      receivers: [CHAT, webhook]
    - {name: several, expr: count(down) >= 2, for: 5m}
  maintenance:
    - {name: Move, title: We move, apis: [acme], regions: [us-east], start: 2026-12-24 22:00, end: "2026-12-25T02:00:00+02:00", time_zone: Europe/Berlin, announce: 48h, comment: why}
    - {name: weekly, cron: 0 3 * * SUN, duration: 2h}
`

func alertFiles() map[string]string {
	return map[string]string{
		"c.yaml": allOfAlerts, "chat-url": "https://chat.example/hunter2\n", "chat.tmpl": `{"text": {{ json .Summary }}}`, "ca.pem": certificate("a"),
	}
}

var _ = Describe("the alerts of the YAML file", func() {
	load := func(dir string, pairs ...string) config.Config {
		GinkgoHelper()
		c, warnings, err := config.Load(nil, env(append([]string{"CONFIG_FILE", filepath.Join(dir, "c.yaml"), "KEY", "hunter2"}, pairs...)...))
		Expect(err).NotTo(HaveOccurred())
		Expect(warnings).To(BeEmpty())
		return c
	}

	It("say who is told", func() {
		c := load(folder(alertFiles()), "ALERT_WEBHOOK_URL", "https://h/hook")
		all := c.AlertReceivers()
		Expect(all).To(HaveLen(3))
		Expect(all[0]).To(Equal(notify.Receiver{Name: "webhook", Type: "webhook", URL: "https://h/hook"}))
		Expect(all[1].TLS.ServerName).To(Equal("chat.example"))
		Expect(all[1].TLS.RootCAs).NotTo(BeNil())
		all[1].TLS = nil
		Expect(all[1]).To(Equal(notify.Receiver{
			Name: "chat", Type: "webhook", URL: "https://chat.example/hunter2", Header: http.Header{"X-Api-Key": {"hunter2"}, "X-Team": {"{{ .Region }}"}},
			Template: `{"text": {{ json .Summary }}}`, ContentType: "application/json; charset=utf-8", Timeout: 5 * time.Second,
			Severities: []alert.Severity{alert.Critical, alert.Warning},
		}))
		Expect(all[2]).To(Equal(notify.Receiver{Name: "am", Type: "alertmanager", URL: "http://am.example:9093"}))
	})

	It("say when there is an alert", func() {
		c := load(folder(alertFiles()), "ALERT_WEBHOOK_URL", "https://h/hook")
		Expect(c.AlertRules()).To(Equal([]rule.Rule{
			{
				Name: "Hot region", Expr: "status != \"ok\"\n  && failures > 2", Over: rule.OverRegion, ForPolls: 3, KeepFor: 10 * time.Minute, Reminder: 4 * time.Hour,
				Severity: alert.Critical, Labels: map[string]string{"team": "core", "cost_center": "7"}, Summary: "{{ .region }} is hot", Description: "more",
				RunbookURL: "https://wiki.example/{{ .region }}", APIs: []string{"acme"}, Regions: []string{"eu-west"}, Receivers: []string{"chat", "webhook"},
			},
			{Name: "several", Expr: "count(down) >= 2", For: 5 * time.Minute, Severity: alert.Warning},
		}))
		for _, r := range c.AlertRules() {
			_, err := rule.Compile(r)
			Expect(err).NotTo(HaveOccurred())
		}
	})

	It("say when nobody is told", func() {
		berlin, err := time.LoadLocation("Europe/Berlin")
		Expect(err).NotTo(HaveOccurred())
		c := load(folder(alertFiles()), "ALERT_WEBHOOK_URL", "https://h/hook")
		planned := c.Planned()
		Expect(planned).To(HaveLen(2))
		Expect(planned[0].Start).To(BeTemporally("==", time.Date(2026, 12, 24, 22, 0, 0, 0, berlin)))
		Expect(planned[0].End).To(BeTemporally("==", time.Date(2026, 12, 25, 0, 0, 0, 0, time.UTC)))
		planned[0].Start, planned[0].End = time.Time{}, time.Time{}
		Expect(planned).To(Equal([]quiet.Planned{
			{Name: "move", Title: "We move", Comment: "why", APIs: []string{"acme"}, Regions: []string{"us-east"}, Location: berlin, Announce: 48 * time.Hour},
			{Name: "weekly", Cron: "0 3 * * SUN", Duration: 2 * time.Hour, Location: time.UTC, Announce: time.Hour},
		}))
	})

	DescribeTable("have the default rules as soon as there is a receiver", func(text string, names []string, pairs ...string) {
		c, _, err := config.Load(nil, yaml(text, pairs...))
		Expect(err).NotTo(HaveOccurred())
		var got []string
		for _, r := range c.AlertRules() {
			got = append(got, r.Name)
		}
		Expect(got).To(Equal(names))
	},
		Entry("none", "alerts:\n  # default_rules: true\n", nil),
		Entry("a rule alone", "alerts: {rules: [{name: x, expr: down}]}", []string{"x"}),
		Entry("the webhook of the environment", "", []string{"region-down", "data-stale", "own-network"}, "ALERT_WEBHOOK_URL", "https://h/"),
		Entry("a receiver of the file", "alerts: {receivers: [{name: r, url: \"https://h/\"}], rules: [{name: x, expr: down}]}", []string{"region-down", "data-stale", "own-network", "x"}),
		Entry("without them", "alerts: {default_rules: false}", nil, "ALERT_WEBHOOK_URL", "https://h/"),
		Entry("with one of them replaced", "alerts: {rules: [{name: Data-Stale, expr: stale}]}", []string{"region-down", "own-network", "Data-Stale"}, "ALERT_WEBHOOK_URL", "https://h/"),
	)

	It("take the polls of the rule region-down from ALERT_AFTER", func() {
		c, _, err := config.Load(nil, env("ALERT_WEBHOOK_URL", "https://h/", "ALERT_AFTER", "7"))
		Expect(err).NotTo(HaveOccurred())
		Expect([]any{c.AlertRules()[0].ForPolls, config.RuleFor(c.AlertRules()[0])}).To(Equal([]any{7, "7 polls"}))
	})

	It("are printed with where they come from, without secrets", func() {
		c := load(folder(alertFiles()), "ALERT_WEBHOOK_URL", "https://h/hook")
		lines := strings.Join(c.LinesWithOrigin(), "\n")
		for _, part := range []string{
			`# alerts.default_rules=false +# .*c.yaml:6:18`,
			`# alerts.receivers.chat.url=https://chat.example/redacted +# .*c.yaml:9:12`,
			`# alerts.receivers.chat.header.X-Api-Key=redacted +# .*c.yaml:10:`,
			`# alerts.receivers.chat.template=.*chat.tmpl +# .*c.yaml:11:17`,
			`# alerts.receivers.chat.severities=critical,warning`,
			`# alerts.receivers.am.type=alertmanager`,
			`# alerts.rules.Hot region.expr=status != "ok" && failures > 2 +# .*c.yaml:19:13`,
			`# alerts.rules.Hot region.for=3 polls +# .*c.yaml:23:12`,
			`# alerts.rules.several.for=5m0s`, `# alerts.rules.several.severity=warning +# default`,
			`# alerts.maintenance.move.time_zone=Europe/Berlin`, `# alerts.maintenance.weekly.cron=0 3 \* \* SUN`, `# alerts.maintenance.weekly.announce=1h0m0s +# default`,
		} {
			Expect(lines).To(MatchRegexp(part))
		}
		Expect(lines).NotTo(ContainSubstring("hunter"))
		for _, l := range c.Lines() {
			Expect(l).NotTo(ContainSubstring("\n"))
		}
	})

	It("change while the server runs, and are named where they do", func() {
		dir := folder(alertFiles())
		old := load(dir, "ALERT_WEBHOOK_URL", "https://h/hook")
		same := load(dir, "ALERT_WEBHOOK_URL", "https://h/hook")
		Expect(old.Differences(&same)).To(BeEmpty())
		Expect(old.Digest()).To(Equal(same.Digest()))
		for name, change := range map[string][2]string{
			"c.yaml":    {"failures > 2", "failures > 3"},
			"chat-url":  {"hunter2", "hunter3"},
			"chat.tmpl": {".Summary", ".Description"},
			"ca.pem":    {certificate("a"), certificate("b")},
		} {
			text := alertFiles()[name]
			Expect(os.WriteFile(filepath.Join(dir, name), []byte(strings.Replace(text, change[0], change[1], 1)), 0o600)).To(Succeed())
			fresh := load(dir, "ALERT_WEBHOOK_URL", "https://h/hook")
			Expect(old.Differences(&fresh)).To(Equal([]string{"alerts"}), name)
			next := old.With(fresh)
			Expect(next.Differences(&fresh)).To(BeEmpty(), name)
			Expect(next.AlertRules()).To(Equal(fresh.AlertRules()))
			Expect(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)).To(Succeed())
		}
		Expect(os.WriteFile(filepath.Join(dir, "c.yaml"), []byte(strings.Replace(allOfAlerts, "Europe/Berlin", "Europe/Lisbon", 1)), 0o600)).To(Succeed())
		fresh := load(dir, "ALERT_WEBHOOK_URL", "https://h/hook")
		Expect(old.Differences(&fresh)).To(Equal([]string{"alerts"}))
	})

	It("are loaded again when a template changes", func() {
		dir := folder(alertFiles())
		l := config.NewLoader(nil, env("CONFIG_FILE", filepath.Join(dir, "c.yaml"), "KEY", "k", "ALERT_WEBHOOK_URL", "https://h/"))
		_, _, err := l.Load()
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(filepath.Join(dir, "chat.tmpl"), []byte(`{}`), 0o600)).To(Succeed())
		Expect([]bool{l.Changed(), l.Changed()}).To(Equal([]bool{false, true}))
	})
})
