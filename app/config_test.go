package app

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"
)

func TestApp(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "App")
}

func env(pairs ...string) func(string) (string, bool) {
	values := map[string]string{"CONFIG_FILE": ""}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) {
		v, ok := values[name]
		return v, ok
	}
}

var _ = Describe("the settings", func() {
	It("come from the flag before the environment before the file before the default", func() {
		file := filepath.Join(GinkgoT().TempDir(), "settings")
		Expect(os.WriteFile(file, []byte("SERVER_PORT=1\nPOLL_INTERVAL=7s\nNODE_ENV=staging\n"), 0o600)).To(Succeed())
		c, _, err := LoadConfig([]string{"--port", "3"}, env("CONFIG_FILE", file, "SERVER_PORT", "2", "POLL_INTERVAL", "9s"))
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Port).To(Equal(3))
		Expect(c.PollInterval).To(Equal(9 * time.Second))
		Expect(c.Environment).To(Equal("staging"))
		Expect(c.HistoryMax).To(Equal(1000))
	})

	It("take SERVER_PORT before PORT, with a warning", func() {
		c, warnings, err := LoadConfig(nil, env("PORT", "1", "SERVER_PORT", "2"))
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Port).To(Equal(2))
		Expect(warnings).To(ConsistOf(ContainSubstring("differ")))
		c, warnings, _ = LoadConfig(nil, env("PORT", "7"))
		Expect([]any{c.Port, warnings}).To(Equal([]any{7, []string(nil)}))
	})

	It("give each instance of a machine its own ports", func() {
		c, _, err := LoadConfig(nil, env("SERVER_PORT", "5000", "INTERNAL_ADDR", "127.0.0.1:6000", "PORT_OFFSET", "2"))
		Expect(err).NotTo(HaveOccurred())
		Expect([]any{c.ListenPort(), c.internalAddr()}).To(Equal([]any{5002, "127.0.0.1:6002"}))
		c, _, _ = LoadConfig(nil, env("SERVER_PORT", "0", "INTERNAL_ADDR", ":0", "PORT_OFFSET", "2"))
		Expect([]any{c.ListenPort(), c.internalAddr()}).To(Equal([]any{0, ":0"}), "any free ones")
	})

	It("lower the api name and know when the simulator runs", func() {
		c, _, err := LoadConfig(nil, env("EXTERNAL_API_NAME", "ACME"))
		Expect(err).NotTo(HaveOccurred())
		Expect([]any{c.API(), c.Simulated()}).To(Equal([]any{"acme", false}))
		c, _, _ = LoadConfig(nil, env())
		Expect([]any{c.API(), c.Simulated()}).To(Equal([]any{"demo", true}))
	})

	It("poll the simulator often unless an interval is set, and print what is in effect", func() {
		c, _, err := LoadConfig(nil, env())
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Lines()).To(ContainElement("POLL_INTERVAL=4s"))
		c, _, _ = LoadConfig(nil, env("POLL_INTERVAL", "30s"))
		Expect(c.PollInterval).To(Equal(30 * time.Second))
		c, _, _ = LoadConfig([]string{"--poll-interval", "30s"}, env())
		Expect(c.PollInterval).To(Equal(30 * time.Second))
		c, _, _ = LoadConfig(nil, env("EXTERNAL_API_NAME", "acme"))
		Expect(c.PollInterval).To(Equal(30 * time.Second))
	})

	DescribeTable("say which one is wrong, and what is allowed", func(name, value, part string) {
		_, _, err := LoadConfig(nil, env(name, value))
		Expect(err).To(BeAssignableToTypeOf(&ConfigError{}))
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
	)

	It("are printed without what opens doors", func() {
		c, _, err := LoadConfig(nil, env("REDIS_HOST", "redis://user:hunter2@cache:6379/0", "UPSTREAM_HEADERS", "Authorization: Bearer hunter2", "UPSTREAM_URL", "https://u:hunter2@x.example/s?key=hunter2"))
		Expect(err).NotTo(HaveOccurred())
		lines := c.Lines()
		Expect(lines).To(ContainElement("SERVER_PORT=5000"))
		Expect(lines).To(ContainElement(HavePrefix("REDIS_HOST=redis://redacted:redacted@cache:6379")))
		Expect(lines).NotTo(ContainElement(ContainSubstring("hunter2")))
	})
})

var _ = DescribeTable("CORS of CLIENT_URL", func(setting, origin, allow string) {
	got, _ := allowOrigin(setting)(origin)
	Expect(got).To(Equal(allow))
},
	Entry("empty: everyone", "", "http://a", "*"),
	Entry("one: that one", "http://a/", "http://b", "http://a"),
	Entry("several: the one that asks", "http://a, http://b", "http://b", "http://b"),
	Entry("several: not a stranger", "http://a,http://b", "http://c", ""),
)

var _ = DescribeTable("says which setting of Redis is wrong beside the others", func(part string, pairs ...string) {
	_, _, err := LoadConfig(nil, env(pairs...))
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
		c, _, err := LoadConfig(nil, env(pairs...))
		Expect(err).NotTo(HaveOccurred())
		o, err := c.redis()
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
