package config_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/config"
)

// hash is a bcrypt hash with the cost.
func hash(cost string) string { return "$2y$" + cost + "$" + strings.Repeat("aB3./", 10) + "xyz" }

var _ = Describe("the settings of the admin UI", func() {
	It("are off, and take a hash or a token once it is on", func() {
		c, _, err := config.Load(nil, env())
		Expect(err).NotTo(HaveOccurred())
		Expect(c.AdminUIOn()).To(BeFalse())
		Expect(c.AdminOrigins()).To(Equal([]string{"https://admin.socket.io"}))
		c, warnings, err := config.Load(nil, env("ADMIN_UI", " Read ", "ADMIN_UI_PASSWORD", hash("10")))
		Expect(err).NotTo(HaveOccurred())
		Expect(warnings).To(BeEmpty())
		Expect([]any{c.AdminUIOn(), c.AdminUI.AdminUI, c.AdminUIMode}).To(Equal([]any{true, "read", "production"}))
		c, _, err = config.Load(nil, env("ADMIN_UI", "full", "ADMIN_UI_TOKEN_FILE", file("0123456789abcdef\n"), "ADMIN_UI_ORIGINS", "HTTPS://A.example:443/, http://b:8080"))
		Expect(err).NotTo(HaveOccurred())
		Expect(c.AdminToken()).To(Equal("0123456789abcdef"))
		Expect(c.AdminOrigins()).To(Equal([]string{"https://a.example", "http://b:8080"}))
	})

	DescribeTable("say what cannot be used, and never the secret", func(sentence string, pairs ...string) {
		_, _, err := config.Load(nil, env(pairs...))
		Expect(err).To(MatchError(And(ContainSubstring(sentence), Not(ContainSubstring("hunter2")))))
	},
		Entry(nil, `ADMIN_UI="on" is unknown: off, read and full are allowed`, "ADMIN_UI", "on"),
		Entry(nil, "ADMIN_UI=full needs ADMIN_UI_PASSWORD, a bcrypt hash, or ADMIN_UI_TOKEN", "ADMIN_UI", "full"),
		Entry(nil, "ADMIN_UI_PASSWORD is no bcrypt hash", "ADMIN_UI", "full", "ADMIN_UI_PASSWORD", "hunter2"),
		Entry("a hash that lost its signs", "write each $ twice", "ADMIN_UI_PASSWORD", "hunter2"+hash("10")[7:]),
		Entry("a hash that is cut", "ADMIN_UI_PASSWORD is no bcrypt hash", "ADMIN_UI_PASSWORD", hash("10")[:59]),
		Entry("a hash with other signs", "ADMIN_UI_PASSWORD is no bcrypt hash", "ADMIN_UI_PASSWORD", strings.Replace(hash("10"), ".", "+", 1)),
		Entry(nil, "ADMIN_UI_PASSWORD has a cost of 20: at most 15", "ADMIN_UI_PASSWORD", hash("20")),
		Entry(nil, "ADMIN_UI_TOKEN is too short", "ADMIN_UI_TOKEN", "hunter2"),
		Entry(nil, "ADMIN_UI_USERNAME is empty", "ADMIN_UI_USERNAME", " ", "ADMIN_UI_PASSWORD", hash("10")),
		Entry(nil, `ADMIN_UI_MODE="dev" is unknown`, "ADMIN_UI_MODE", "dev"),
		Entry(nil, "ADMIN_UI_SESSION=10s is out of range", "ADMIN_UI_SESSION", "10s"),
		Entry("all origins", `ADMIN_UI_ORIGINS has "*", which is no origin`, "ADMIN_UI_ORIGINS", "*"),
		Entry("a URL", `which is no origin`, "ADMIN_UI_ORIGINS", "https://u:hunter2@admin.socket.io/x"),
	)

	It("are printed without the secrets, and what is printed lets nobody in", func() {
		c, _, err := config.Load(nil, env("ADMIN_UI", "full", "ADMIN_UI_PASSWORD", hash("12"), "ADMIN_UI_TOKEN", "hunter2hunter2hunter2"))
		Expect(err).NotTo(HaveOccurred())
		text := strings.Join(c.Lines(), "\n")
		Expect(text).To(And(ContainSubstring("ADMIN_UI_PASSWORD='$2y$12$"), Not(ContainSubstring("aB3")), Not(ContainSubstring("hunter2"))))
		again, warnings, err := config.Load(nil, []string{"CONFIG_FILE=" + file(text+"\n")})
		Expect(err).NotTo(HaveOccurred())
		Expect(again.Lines()).To(Equal(c.Lines()))
		Expect(warnings).To(ConsistOf(ContainSubstring("ADMIN_UI_TOKEN is what the command config prints")))
		Expect(again.AdminToken()).To(BeEmpty())
	})

	It("warn of a hash that is quick to try, and of payloads that nobody sees", func() {
		_, warnings, err := config.Load(nil, env("ADMIN_UI", "read", "ADMIN_UI_PASSWORD", hash("05"), "ADMIN_UI_PAYLOADS", "true"))
		Expect(err).NotTo(HaveOccurred())
		Expect(warnings).To(ConsistOf(ContainSubstring("a cost of 5"), ContainSubstring("ADMIN_UI_PAYLOADS=true shows nothing")))
	})
})
