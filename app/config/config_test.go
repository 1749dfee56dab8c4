package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"

	"github.com/devops-insights/devops-insights/app/config"
)

func TestConfig(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Settings")
}

// env is an environment of these pairs, without a settings file.
func env(pairs ...string) []string {
	environ := []string{"CONFIG_FILE="}
	for i := 0; i < len(pairs); i += 2 {
		environ = append(environ, pairs[i]+"="+pairs[i+1])
	}
	return environ
}

var _ = Describe("the settings", func() {
	It("come from the flag before the environment before the file before the default", func() {
		file := filepath.Join(GinkgoT().TempDir(), "settings")
		Expect(os.WriteFile(file, []byte("SERVER_PORT=1\nPOLL_INTERVAL=7s\nNODE_ENV=staging\n"), 0o600)).To(Succeed())
		c, _, err := config.Load([]string{"--port", "3"}, env("CONFIG_FILE", file, "SERVER_PORT", "2", "POLL_INTERVAL", "9s"))
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Port).To(Equal(3))
		Expect(c.PollInterval).To(Equal(9 * time.Second))
		Expect(c.Environment).To(Equal("staging"))
		Expect(c.HistoryMax).To(Equal(50_000))
	})

	It("take SERVER_PORT before PORT, with a warning", func() {
		c, warnings, err := config.Load(nil, env("PORT", "1", "SERVER_PORT", "2"))
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Port).To(Equal(2))
		Expect(warnings).To(ConsistOf(ContainSubstring("differ")))
		c, warnings, _ = config.Load(nil, env("PORT", "7"))
		Expect([]any{c.Port, warnings}).To(Equal([]any{7, []string(nil)}))
	})

	It("give each instance of a machine its own ports", func() {
		c, _, err := config.Load(nil, env("SERVER_PORT", "5000", "INTERNAL_ADDR", "127.0.0.1:6000", "PORT_OFFSET", "2"))
		Expect(err).NotTo(HaveOccurred())
		Expect([]any{c.ListenPort(), c.InternalListenAddr()}).To(Equal([]any{5002, "127.0.0.1:6002"}))
		c, _, _ = config.Load(nil, env("SERVER_PORT", "0", "INTERNAL_ADDR", ":0", "PORT_OFFSET", "2"))
		Expect([]any{c.ListenPort(), c.InternalListenAddr()}).To(Equal([]any{0, ":0"}), "any free ones")
	})

	It("are numbers in decimal notation, with space around them or without", func() {
		c, _, err := config.Load(nil, env("SERVER_PORT", " 05000 ", "POLL_INTERVAL", " 7s", "REDIS_SHARDED", "true "))
		Expect(err).NotTo(HaveOccurred())
		Expect([]any{c.Port, c.PollInterval, c.RedisSharded}).To(Equal([]any{5000, 7 * time.Second, true}))
		for _, text := range []string{"0x1388", "5_000", "5e3", "5000 5001"} {
			_, _, err = config.Load(nil, env("SERVER_PORT", text))
			Expect(err).To(MatchError(ContainSubstring("whole number")))
		}
	})

	It("lower the api name and know when the simulator runs", func() {
		c, _, err := config.Load(nil, env("EXTERNAL_API_NAME", "ACME"))
		Expect(err).NotTo(HaveOccurred())
		Expect([]any{c.API(), c.Simulated()}).To(Equal([]any{"acme", false}))
		c, _, _ = config.Load(nil, env())
		Expect([]any{c.API(), c.Simulated()}).To(Equal([]any{"demo", true}))
	})

	It("poll the simulator often unless an interval is set, and print what is in effect", func() {
		c, _, err := config.Load(nil, env())
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Lines()).To(ContainElement("POLL_INTERVAL=4s"))
		c, _, _ = config.Load(nil, env("POLL_INTERVAL", "30s"))
		Expect(c.PollInterval).To(Equal(30 * time.Second))
		c, _, _ = config.Load([]string{"--poll-interval", "30s"}, env())
		Expect(c.PollInterval).To(Equal(30 * time.Second))
		c, _, _ = config.Load(nil, env("EXTERNAL_API_NAME", "acme"))
		Expect(c.PollInterval).To(Equal(30 * time.Second))
	})

	DescribeTable("say which one is wrong, and what is allowed", func(name, value, part string) {
		_, _, err := config.Load(nil, env(name, value))
		Expect(err).To(BeAssignableToTypeOf(&config.Error{}))
		Expect(err.Error()).To(And(ContainSubstring(name), ContainSubstring(part)))
	},
		Entry(nil, "SERVER_PORT", "x", "0 to 65535"),
		Entry(nil, "SERVER_PORT", "70000", "0 to 65535"),
		Entry(nil, "PORT_OFFSET", "65000", "at most 65535"),
		Entry(nil, "PORT_OFFSET", "-1", "at most 65535"),
		Entry(nil, "POLL_INTERVAL", "1ms", "100ms"),
		Entry(nil, "POLL_INTERVALS", "eu-west", "region=duration"),
		Entry(nil, "HISTORY_MAX_LIMIT", "0", "1 to 100000"),
		Entry(nil, "LOG_LEVEL", "loud", "debug"),
		Entry(nil, "DATABASE_URL", "postgres://x", "mongodb://"),
		Entry(nil, "REDIS_REQUIRED", "true", "REDIS_HOST is not set"),
		Entry(nil, "REDIS_HOST", "http://user:secret@x", "rediss://"),
		Entry(nil, "REDIS_HOST", "a:1,b:2", "REDIS_SENTINEL_MASTER or REDIS_CLUSTER"),
		Entry(nil, "DRAIN_DELAY", "-1s", "fit into DRAIN_TIMEOUT"),
		Entry(nil, "DRAIN_SPREAD", "1m", "fit into DRAIN_TIMEOUT"),
		Entry(nil, "POLL_LEASE", "10ms", "at least 1s"),
		Entry(nil, "DB_TIMEOUT", "-1s", "0s waits without end"),
		Entry(nil, "UPSTREAM_HEADERS", "nothing", "colon"),
		Entry(nil, "EXTERNAL_API_NAME", "a/b", "letters"),
		Entry(nil, "TRUSTED_PROXIES", "10.0.0.0/99", "10.0.0.0/8"),
		Entry(nil, "CONNECTION_RECOVERY", "2d", "duration"),
		Entry(nil, "CONNECTION_RECOVERY", "2h", "1h"),
		Entry(nil, "MAX_EVENT_RATE", "-1", "0 means no bound"),
		Entry(nil, "MAX_BACKLOG", "5", "1048576"),
		Entry(nil, "MAX_BACKLOG", "5 parsec", "16MiB"),
		Entry(nil, "MAX_MEMORY", "1MiB", "32MiB"),
		Entry(nil, "HISTORY_MAX_BYTES", "1KiB", "64KiB"),
		Entry(nil, "HISTORY_RETENTION", "900000h", "at most"),
		Entry(nil, "HANDSHAKES_PER_SECOND", "NaN", "0 means no bound"),
		Entry(nil, "LOG_FORMAT", "xml", "auto, json and text"),
		Entry(nil, "ORIGIN_CHECK", "yes", "enforce, log and off"),
		Entry(nil, "POLL_MAX_BACKOFF", "0s", "1s to 24h"),
		Entry(nil, "ALERT_AFTER", "0", "1 to 1000"),
		Entry(nil, "ALERT_AFTER", "1001", "1 to 1000"),
		Entry(nil, "PUBLIC_URL", "insights.example", "http:// or https://"),
		Entry(nil, "PUBLIC_URL", "https://u:p@insights.example", "without a user"),
		Entry(nil, "PUBLIC_URL", "https://insights.example/?x", "without a user, ? and #"),
		Entry(nil, "NETWORK_CHECK", "192.0.2.1", "host:port"),
		Entry(nil, "NETWORK_CHECK", "none,192.0.2.1:53", "none, alone"),
		Entry(nil, "HEARTBEAT_INTERVAL", "500ms", "1s to 24h"),
		Entry(nil, "HEARTBEAT_INTERVAL", "25h", "1s to 24h"),
		Entry(nil, "HEARTBEAT_FAIL_URL", "https://h/fail", "HEARTBEAT_URL is not"),
		Entry(nil, "POLL_TIMEOUT", "-1s", "negative"),
		Entry(nil, "POLL_INTERVALS", "eu-north=10s", "us-east, eu-west"),
		Entry(nil, "POLL_INTERVALS", "eu-west=10s,EU-WEST=20s", "twice"),
		Entry(nil, "SERVER_HOST", "http://localhost", "without scheme"),
		Entry(nil, "SERVER_HOST", "localhost:5000", "without scheme"),
		Entry(nil, "INTERNAL_ADDR", "5001", ":5001"),
		Entry(nil, "INTERNAL_ADDR", "localhost", "127.0.0.1:5001"),
		Entry(nil, "INTERNAL_ADDR", "127.0.0.1:http", "127.0.0.1:5001"),
		Entry(nil, "INTERNAL_ADDR", "127.0.0.1:70000", "127.0.0.1:5001"),
		Entry(nil, "INTERNAL_ADDR", ":5000", "port of its own"),
		Entry(nil, "CLIENT_URL", "dashboards.example", "scheme://host"),
		Entry(nil, "CLIENT_URL", "localhost:3000", "scheme://host"),
		Entry(nil, "CLIENT_URL", "https://a.example/path", "without a path"),
		Entry(nil, "CLIENT_URL", "https://*.example", "scheme://host"),
		Entry(nil, "CLIENT_URL", "https://a.example:99999", "scheme://host"),
		Entry(nil, "CLIENT_URL", "https://a.example https://b.example", "commas"),
		Entry(nil, "DATA_DIR", "config_test.go", "directory is expected"),
		Entry(nil, "DATA_DIR", "config_test.go/below", "config_test.go is a file"),
		Entry(nil, "UPSTREAM_URL", "status.example/{source}", "http:// or https://"),
		Entry(nil, "UPSTREAM_URL", "ftp://status.example/{source}", "http:// or https://"),
		Entry(nil, "UPSTREAM_URL", "https://status.example/{region}", "{source} and {api}"),
		Entry(nil, "UPSTREAM_URL", "https://status.example:99999/", "1 to 65535"),
		Entry(nil, "UPSTREAM_URL", "https:///x", "a host"),
		Entry(nil, "UPSTREAM_HEADERS", "Two words: x", "valid name"),
		Entry(nil, "UPSTREAM_HEADERS", "content-length: 1", "connection sets itself"),
		Entry(nil, "UPSTREAM_HEADER_X", "two\nlines", "one line"),
		Entry(nil, "UPSTREAM_HEADER_", "x", "cannot be a header"),
		Entry(nil, "SERVER_HOST", "1.2.3", "SERVER_HOST"),
		Entry(nil, "INTERNAL_ADDR", "999.0.0.1:5001", "127.0.0.1:5001"),
		Entry(nil, "UPSTREAM_URL", "http://256.1.1.1/", "UPSTREAM_URL"),
		Entry(nil, "DATABASE_URL", "mongodb://", "host"),
		Entry(nil, "DATABASE_URL", "mongodb://h:99999/x", "1 to 65535"),
		Entry(nil, "DATABASE_URL", "mongodb://h/?maxPoolSize=many", "maxpoolsize"),
		Entry(nil, "DATABASE_URL", "mongodb+srv://h:1/x", "without a port"),
		Entry(nil, "DATABASE_URL", "mongodb+srv://h/x?directConnection=true", "directConnection"),
		Entry(nil, "DATABASE_URL", "mongodb://h/?tls=true&tlsCAFile=nothing.pem", "cannot"),
		Entry(nil, "REDIS_HOST", "redis://h:99999", "redis://"),
	)

	It("are printed without what opens doors", func() {
		c, _, err := config.Load(nil, env("REDIS_HOST", "redis://user:hunter2@cache:6379/0", "UPSTREAM_HEADERS", "Authorization: Bearer hunter2", "UPSTREAM_URL", "https://u:hunter2@x.example/s?key=hunter2"))
		Expect(err).NotTo(HaveOccurred())
		lines := c.Lines()
		Expect(lines).To(ContainElement("SERVER_PORT=5000"))
		Expect(lines).To(ContainElement(HavePrefix("REDIS_HOST=redis://redacted:redacted@cache:6379")))
		Expect(lines).NotTo(ContainElement(ContainSubstring("hunter2")))
	})
})

var _ = DescribeTable("says which setting of Redis is wrong beside the others", func(part string, pairs ...string) {
	_, _, err := config.Load(nil, env(pairs...))
	Expect(err).To(MatchError(ContainSubstring(part)))
},
	Entry(nil, "need REDIS_SENTINEL_MASTER", "REDIS_HOST", "redis://a:1", "REDIS_SENTINEL_PASSWORD", "x"),
	Entry(nil, "dynamic-private are allowed", "REDIS_HOST", "redis://a:1", "REDIS_SUBSCRIPTIONS", "x"),
	Entry(nil, "begins with rediss://", "REDIS_HOST", "redis://a:1", "REDIS_TLS_CA", "ca.pem"),
	Entry(nil, "REDIS_TLS_CA cannot be read", "REDIS_HOST", "rediss://a:1", "REDIS_TLS_CA", "nothing.pem"),
	Entry(nil, "holds no certificate", "REDIS_HOST", "rediss://a:1", "REDIS_TLS_CA", "config_test.go"),
	Entry(nil, "cannot be used together", "REDIS_HOST", "rediss://a:1", "REDIS_TLS_CERT", "config_test.go"),
)

var _ = It("takes Redis in each of its forms", func() {
	settings := func(pairs ...string) *redis.UniversalOptions {
		GinkgoHelper()
		c, _, err := config.Load(nil, env(pairs...))
		Expect(err).NotTo(HaveOccurred())
		o, err := c.RedisOptions()
		Expect(err).NotTo(HaveOccurred())
		return o
	}
	o := settings("REDIS_HOST", "localhost:6380")
	Expect([]any{o.Addrs, o.TLSConfig == nil}).To(Equal([]any{[]string{"localhost:6380"}, true}))
	o = settings("REDIS_HOST", "rediss://user:secret@a:1,b:2/3", "REDIS_SENTINEL_MASTER", "main")
	Expect([]any{o.Addrs, o.MasterName, o.DB, o.Username, o.Password, o.TLSConfig.ServerName}).
		To(Equal([]any{[]string{"a:1", "b:2"}, "main", 3, "user", "secret", ""}), "each host is checked by its own name")
	o = settings("REDIS_HOST", "redis://a:1,b:2,c:3", "REDIS_CLUSTER", "true")
	Expect([]any{o.Addrs, o.IsClusterMode}).To(Equal([]any{[]string{"a:1", "b:2", "c:3"}, true}))
})

var _ = It("are all in the documentation and in the help", func() {
	paths, err := filepath.Glob("../../docs/*.md")
	Expect(err).NotTo(HaveOccurred())
	var docs strings.Builder
	for _, path := range paths {
		text, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		docs.Write(text)
	}
	var help strings.Builder
	config.Help(&help)
	c := config.Default()
	for _, line := range c.Lines() {
		name, _, _ := strings.Cut(line, "=")
		if !strings.Contains(docs.String(), "`"+name+"`") {
			Fail(name + " is in no file of docs: docs/deployment.md has a table of the settings")
		}
		Expect(help.String()).To(ContainSubstring(", " + name))
	}
})
