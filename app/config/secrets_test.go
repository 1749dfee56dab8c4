package config_test

import (
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/config"
)

// file writes a text into a file of its own.
func file(text string) string {
	GinkgoHelper()
	path := filepath.Join(GinkgoT().TempDir(), "file")
	Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
	return path
}

// pieces are all parts of three signs.
func pieces(secret string) (all []string) {
	for i := range len(secret) - 2 {
		all = append(all, secret[i:i+3])
	}
	return all
}

var _ = DescribeTable("never shows a part of a secret when it cannot be used", func(args []string, pairs ...string) {
	const secret = "zQ9%zzXw7Y"
	for i := range pairs {
		pairs[i] = strings.ReplaceAll(pairs[i], "SECRET", secret)
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "SECRET", secret)
	}
	_, warnings, err := config.Load(args, env(pairs...))
	Expect(err).To(HaveOccurred())
	for _, piece := range pieces(secret) {
		Expect(strings.Join(append(warnings, err.Error()), "\n")).NotTo(ContainSubstring(piece))
	}
},
	Entry(nil, nil, "DATABASE_URL", "mongodb://u:SECRET@h/x"),
	Entry(nil, nil, "DATABASE_URL", "mongodb://u:a@SECRET@h/x"),
	Entry(nil, nil, "DATABASE_URL", "mongodb+srv://u:SECRET@h/x"),
	Entry(nil, nil, "DATABASE_URL", "mongodb://h/x?authMechanismProperties=SECRET&authMechanism=none"),
	Entry(nil, nil, "DATABASE_URL", "SECRET"),
	Entry(nil, nil, "REDIS_HOST", "redis://u:SECRET@h:1"),
	Entry(nil, nil, "REDIS_HOST", "redis://u:p@h:1,u:SECRET@i:2", "REDIS_CLUSTER", "true"),
	Entry(nil, nil, "REDIS_HOST", "redis://h:1/?db=SECRET"),
	Entry(nil, nil, "UPSTREAM_URL", "SECRET"),
	Entry(nil, nil, "UPSTREAM_URL", "https://u:SECRET@h/{source}"),
	Entry(nil, nil, "UPSTREAM_URL", "https://h/SECRET/{source"),
	Entry(nil, nil, "UPSTREAM_HEADERS", "Bearer SECRET"),
	Entry(nil, nil, "UPSTREAM_HEADERS", "Bearer SECRET: x"),
	Entry(nil, nil, "UPSTREAM_HEADER_KEY", "SECRET\x00"),
	Entry(nil, nil, "OTEL_EXPORTER_OTLP_ENDPOINT", "https://u:SECRET"),
	Entry(nil, nil, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://h", "OTEL_EXPORTER_OTLP_HEADERS", "authorization SECRET"),
	Entry(nil, nil, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://h", "OTEL_EXPORTER_OTLP_HEADERS", "authorization=SECRET"),
	Entry(nil, nil, "CLIENT_URL", "https://u:SECRET@h"),
	Entry(nil, nil, "ALERT_WEBHOOK_URL", "SECRET"),
	Entry(nil, nil, "ALERT_WEBHOOK_URL", "hooks.example/SECRET"),
	Entry(nil, nil, "ALERT_WEBHOOK_URL", "https://:SECRET"),
	Entry(nil, nil, "HEARTBEAT_URL", "ftp://h/SECRET"),
	Entry(nil, nil, "HEARTBEAT_URL", "https://h/ok", "HEARTBEAT_FAIL_URL", "https://h:SECRET/"),
	Entry(nil, nil, "ALERT_TOKEN", "SECRET"),
	Entry(nil, nil, "ALERT_TOKEN", "SECRET and white space"),
	Entry(nil, nil, "PUBLIC_URL", "https://u:SECRET@h"),
	Entry(nil, []string{"mongodb://u:SECRET@h/x"}),
	Entry(nil, []string{"-mongodb://u:SECRET@h/x"}),
	Entry(nil, []string{"---x=SECRET"}),
	Entry(nil, []string{"--data-base-url=SECRET"}),
)

var _ = Describe("a secret", func() {
	DescribeTable("may stand in a file", func(name, value string, pairs ...string) {
		pairs = append(pairs, name+"_FILE", file(value+"\r\n"))
		c, warnings, err := config.Load(nil, env(pairs...))
		Expect(err).NotTo(HaveOccurred())
		Expect(warnings).To(BeEmpty())
		h, err := c.Headers()
		Expect(err).NotTo(HaveOccurred())
		Expect([]string{c.DatabaseURL, c.RedisHost, c.RedisSentinelPassword, c.UpstreamURL, c.AlertWebhookURL, c.AlertToken, c.HeartbeatURL, c.HeartbeatFailURL, h.Get("X-Key") + h.Get("A") + strings.Join(c.UpstreamHeaders, "\n")}).
			To(ContainElement(ContainSubstring(value)))
		Expect(strings.Join(c.Lines(), "\n")).To(And(ContainSubstring(name+"_FILE="), Not(ContainSubstring(value))))

		_, _, err = config.Load(nil, env(append(pairs, name, value)...))
		Expect(err).To(MatchError(ContainSubstring("both set")))
		for path, part := range map[string]string{"nothing": "no such file", file("\n"): "is empty", GinkgoT().TempDir(): "directory"} {
			_, _, err = config.Load(nil, env(append(pairs, name+"_FILE", path)...))
			Expect(err).To(MatchError(And(ContainSubstring(name+"_FILE="), ContainSubstring(part))))
		}
	},
		Entry(nil, "DATABASE_URL", "mongodb://u:p@h/x"),
		Entry(nil, "REDIS_HOST", "redis://u:p@h:1"),
		Entry(nil, "UPSTREAM_URL", "https://h/{source}?key=1"),
		Entry(nil, "UPSTREAM_HEADERS", "A: b\nC: d"),
		Entry(nil, "UPSTREAM_HEADER_X_KEY", "a, b"),
		Entry(nil, "ALERT_WEBHOOK_URL", "https://h/hook"),
		Entry(nil, "ALERT_TOKEN", "correct-horse-battery"),
		Entry(nil, "HEARTBEAT_URL", "https://h/ping"),
		Entry(nil, "HEARTBEAT_FAIL_URL", "https://h/fail", "HEARTBEAT_URL", "https://h/ok"),
		Entry(nil, "REDIS_SENTINEL_PASSWORD", "x y", "REDIS_HOST", "h:1", "REDIS_SENTINEL_MASTER", "m"),
	)

	It("is not looked for in files where the setting is none", func() {
		_, warnings, err := config.Load(nil, env("SERVER_PORT_FILE", "x"))
		Expect(err).NotTo(HaveOccurred())
		Expect(warnings).To(ConsistOf(ContainSubstring("only secrets")))
	})
})

var _ = Describe("several headers", func() {
	It("stand on lines, with commas within their values", func() {
		c, _, err := config.Load(nil, env("UPSTREAM_HEADERS", "Accept: a, b\r\n\nX-Key: k:1\n", "UPSTREAM_HEADER_X_KEY", "2, 3", "UPSTREAM_HEADER_AUTHORIZATION", "Bearer x"))
		Expect(err).NotTo(HaveOccurred())
		h, err := c.Headers()
		Expect(err).NotTo(HaveOccurred())
		Expect(h).To(And(HaveKeyWithValue("Accept", []string{"a, b"}), HaveKeyWithValue("X-Key", []string{"2, 3"}), HaveKeyWithValue("Authorization", []string{"Bearer x"}), HaveLen(3)))
	})
})

var _ = Describe("the printed settings", func() {
	everything := func() []string {
		return env(
			"DATABASE_URL", "mongodb://u:hunter2@a:1,b:2/x?replicaSet=rs0&authMechanismProperties=hunter2:x&authSource=admin",
			"REDIS_HOST", "redis://u:hunter2@a:1,u:hunter2@b:2/3", "REDIS_SENTINEL_MASTER", "it's", "REDIS_SENTINEL_PASSWORD", "x://hunter2",
			"UPSTREAM_URL", "https://u:hunter2@h-{source}.x/hunter2/{api}?hunter2=hunter2#hunter2",
			"UPSTREAM_HEADERS", "A: hunter2\nB: hunter2", "UPSTREAM_HEADER_C", "hunter2",
			"ALERT_WEBHOOK_URL", "https://u:hunter2@hooks.example/hunter2?hunter2", "ALERT_TOKEN", "hunter2-hunter2-hunter2", "NETWORK_CHECK", "192.0.2.1:53,[2001:db8::1]:443",
			"HEARTBEAT_URL", "https://ping.example/hunter2", "HEARTBEAT_FAIL_URL", "https://ping.example/hunter2/fail", "PUBLIC_URL", "https://insights.example/x/",
			"POLL_INTERVALS", "eu-west=10s,us-east=11s", "TRUSTED_PROXIES", "10.0.0.0/8,::1", "NODE_ENV", "a # b $HOME", "CLIENT_URL", "https://a.example, https://b.example",
		)
	}

	It("can be read back", func() {
		c, _, err := config.Load(nil, everything())
		Expect(err).NotTo(HaveOccurred())
		again, warnings, err := config.Load(nil, []string{"CONFIG_FILE=" + file(strings.Join(c.Lines(), "\n")+"\n")})
		Expect(err).NotTo(HaveOccurred())
		Expect(warnings).To(ConsistOf(ContainSubstring("ALERT_TOKEN is what the command config prints")))
		Expect(again.Lines()).To(Equal(c.Lines()))
		Expect([]string{c.AlertToken, again.AlertToken}).To(Equal([]string{"hunter2-hunter2-hunter2", ""}), "what is printed lets nobody in")
		Expect(again.Environment).To(Equal("a # b $HOME"))
		Expect(again.PollIntervals).To(Equal([]string{"eu-west=10s", "us-east=11s"}))
	})

	It("show no secret, and what helps to recognise the rest", func() {
		c, _, err := config.Load(nil, everything())
		Expect(err).NotTo(HaveOccurred())
		text := strings.Join(c.Lines(), "\n")
		Expect(text).NotTo(ContainSubstring("hunter2"))
		for _, part := range []string{
			"mongodb://redacted:redacted@a:1,b:2/x?replicaSet=rs0&authSource=admin", "redis://redacted:redacted@a:1,b:2/3",
			"https://redacted:redacted@h-{source}.x/redacted/{api}?redacted", "A: redacted\nB: redacted", "UPSTREAM_HEADER_C=redacted",
			"https://redacted:redacted@hooks.example/redacted?redacted", "HEARTBEAT_URL=https://ping.example/redacted", "PUBLIC_URL=https://insights.example/x", "NETWORK_CHECK='192.0.2.1:53,[2001:db8::1]:443'",
		} {
			Expect(text).To(ContainSubstring(part))
		}
	})

	It("can be read back where nothing is set", func() {
		c, _, err := config.Load(nil, env())
		Expect(err).NotTo(HaveOccurred())
		again, _, err := config.Load(nil, []string{"CONFIG_FILE=" + file(strings.Join(c.Lines(), "\n"))})
		Expect(err).NotTo(HaveOccurred())
		Expect(again.Lines()).To(Equal(c.Lines()))
	})
})

var _ = DescribeTable("warns of a name that is no setting but looks like one", func(name, meant string) {
	_, warnings, err := config.Load(nil, env(name, "1"))
	Expect(err).NotTo(HaveOccurred())
	if meant == "" {
		Expect(warnings).To(BeEmpty())
		return
	}
	Expect(warnings).To(ConsistOf(And(ContainSubstring(name+" is no setting"), ContainSubstring("is "+meant+" meant"))))
},
	Entry(nil, "SERVER_PROT", "SERVER_PORT"),
	Entry(nil, "DATABSE_URL", "DATABASE_URL"),
	Entry(nil, "REDIS_HOSTS", "REDIS_HOST"),
	Entry(nil, "POLL_INTERVALL", "POLL_INTERVAL"),
	Entry(nil, "UPSTREAM_TOKEN", "UPSTREAM_URL"),
	Entry(nil, "HISTORY_LIMIT", "HISTORY_MAX_LIMIT"),
	Entry(nil, "DATABASE_URL_FIEL", "DATABASE_URL_FILE"),
	Entry("of a shell", "HISTSIZE", ""),
	Entry("of many programs", "HOST", ""),
	Entry("of PM2", "exec_mode", ""),
	Entry("of Kubernetes", "REDIS_PORT", ""),
)

var _ = It("calls an upstream that has no name upstream", func() {
	c, _, err := config.Load(nil, env("UPSTREAM_URL", "http://h/{source}"))
	Expect(err).NotTo(HaveOccurred())
	Expect([]any{c.API(), c.Simulated()}).To(Equal([]any{"upstream", false}))
})

var _ = It("reads the settings file as it is, and says what is wrong with it without its content", func() {
	path := file("\ufeffDATABASE_URL='mongodb://u:p$HOME@h/x' # c\nhunter2\nREDIS_HOST= # none\n")
	c, warnings, err := config.Load(nil, []string{"CONFIG_FILE=" + path})
	Expect(err).NotTo(HaveOccurred())
	Expect([]string{c.DatabaseURL, c.RedisHost}).To(Equal([]string{"mongodb://u:p$HOME@h/x", ""}))
	Expect(warnings).To(ConsistOf(And(ContainSubstring("left out: 2"), Not(ContainSubstring("hunter2")))))
	for _, text := range []string{"A=hunter2\x00", "\xff\xfeA\x00=\x00", "A=hunter2\xff"} {
		_, _, err = config.Load(nil, []string{"CONFIG_FILE=" + file(text)})
		Expect(err).To(MatchError(And(ContainSubstring("UTF-8"), Not(ContainSubstring("hunter2")))))
	}
})

var _ = DescribeTable("an origin is taken as browsers send it", func(text, origin string) {
	got, ok := config.ParseOrigin(text)
	Expect([]any{got, ok}).To(Equal([]any{origin, origin != ""}))
},
	Entry(nil, "HTTPS://A.example:443/", "https://a.example"),
	Entry(nil, "http://a:80", "http://a"),
	Entry(nil, "http://a:8080", "http://a:8080"),
	Entry(nil, "http://[::1]:3000", "http://[::1]:3000"),
	Entry(nil, "chrome-extension://abc", "chrome-extension://abc"),
	Entry(nil, "null", ""),
	Entry(nil, "https://a.example/x", ""),
	Entry(nil, "https://u@a.example", ""),
	Entry(nil, "https://bücher.example", ""),
	Entry(nil, "https://a.example:", ""),
	Entry(nil, "//a.example", ""),
)
