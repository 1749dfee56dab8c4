package config_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/config"
)

var _ = Describe("the settings of alerts", func() {
	It("are, where nothing is set, three polls, a call each minute, and no receiver", func() {
		c, _, err := config.Load(nil, env())
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Alerting).To(Equal(config.Alerting{AlertAfter: 3, HeartbeatInterval: time.Minute}))
	})

	It("take a URL without the slashes at its end", func() {
		c, _, err := config.Load(nil, env("PUBLIC_URL", " https://insights.example:8443/x// "))
		Expect(err).NotTo(HaveOccurred())
		Expect(c.PublicURL).To(Equal("https://insights.example:8443/x"))
	})

	DescribeTable("say who knows whether our own network works", func(text string, addresses []string, guessed bool) {
		c, _, err := config.Load(nil, env("NETWORK_CHECK", text))
		Expect(err).NotTo(HaveOccurred())
		got, ofSystem, err := c.NetworkWitnesses()
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Equal(addresses))
		Expect(ofSystem).To(Equal(guessed))
	},
		Entry("those of the system", "", nil, true),
		Entry("nobody", "None", nil, false),
		Entry("those that are named", "192.0.2.1:53, [2001:db8::1]:443,ntp.example:123", []string{"192.0.2.1:53", "[2001:db8::1]:443", "ntp.example:123"}, false),
	)

	It("change while the server runs as far as they say who is told and when", func() {
		old, _, err := config.Load(nil, env())
		Expect(err).NotTo(HaveOccurred())
		fresh, _, err := config.Load(nil, env("ALERT_WEBHOOK_URL", "https://h/hook", "ALERT_AFTER", "5", "ALERT_TOKEN", "correct-horse-battery", "PUBLIC_URL", "https://h",
			"NETWORK_CHECK", "none", "HEARTBEAT_URL", "https://h/ping", "HEARTBEAT_FAIL_URL", "https://h/fail", "HEARTBEAT_INTERVAL", "5m"))
		Expect(err).NotTo(HaveOccurred())
		now := old.With(fresh)
		Expect([]any{now.AlertWebhookURL, now.AlertAfter, now.AlertToken, now.PublicURL}).To(Equal([]any{"https://h/hook", 5, "", ""}))
		Expect(now.Differences(&fresh)).To(Equal([]string{"ALERT_TOKEN", "PUBLIC_URL", "NETWORK_CHECK", "HEARTBEAT_URL", "HEARTBEAT_FAIL_URL", "HEARTBEAT_INTERVAL"}))
	})
})
