package config_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/store"
)

// folder writes files by their names, and returns where.
func folder(files map[string]string) string {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	for name, text := range files {
		Expect(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)).To(Succeed())
	}
	return dir
}

// yaml writes a YAML file and returns the environment that names it.
func yaml(text string, pairs ...string) []string {
	GinkgoHelper()
	return append([]string{"CONFIG_FILE=" + filepath.Join(folder(map[string]string{"c.yaml": text}), "c.yaml")}, env(pairs...)[1:]...)
}

var _ = Describe("the YAML file", func() {
	It("comes after flags, the environment and .env, and before the defaults", func() {
		dir := folder(map[string]string{
			".env":                 "POLL_INTERVAL=8s\nLOG_LEVEL=error # x\n",
			"devops-insights.yaml": "settings:\n  poll-interval: 7s\n  log-level: debug\n  port: 1\n  environment: staging\n",
		})
		GinkgoT().Chdir(dir)
		c, warnings, err := config.Load([]string{"--port=3"}, env("LOG_LEVEL", "warning", "NODE_ENV", ""))
		Expect(err).NotTo(HaveOccurred())
		Expect(warnings).To(BeEmpty())
		Expect([]any{c.Port, c.LogLevel, c.PollInterval, c.Environment, c.HistoryMax}).
			To(Equal([]any{3, "warning", 8 * time.Second, "staging", 50_000}))
	})

	It("may be named by a flag, by the environment, or in .env; another one is a dotenv file", func() {
		dir := folder(map[string]string{"a.YML": "settings: {port: 11}", "b.yaml": "settings: {port: 12}", "c": "SERVER_PORT=13", "devops-insights.yaml": "settings: {port: 14, environment: y}"})
		GinkgoT().Chdir(dir)
		port := func(args []string, environ ...string) int {
			c, _, err := config.Load(args, environ)
			Expect(err).NotTo(HaveOccurred())
			return c.Port
		}
		Expect(port([]string{"--config=a.YML"}, "CONFIG_FILE=b.yaml")).To(Equal(11))
		Expect(port(nil, "CONFIG_FILE=b.yaml")).To(Equal(12))
		Expect(port(nil, "CONFIG_FILE=c")).To(Equal(13))
		Expect(port(nil)).To(Equal(14))
		Expect(os.WriteFile(".env", []byte("CONFIG_FILE=b.yaml\n"), 0o600)).To(Succeed())
		Expect(port(nil)).To(Equal(12))
		_, _, err := config.Load([]string{"--config=none.yaml"}, nil)
		Expect(err).To(MatchError(ContainSubstring("none.yaml cannot be read: no such file")))
	})

	It("lists APIs and regions with everything that is needed to poll them", func() {
		environ := yaml(`
settings: {poll-interval: 20s, poll-timeout: 3s, state-up: [fine, ok], rollup-max-fields: 7}
regions: [{name: EU-West, title: Europe}, us-east]
apis:
  - name: ACME
    title: Acme
    url: https://acme.example/{source}
    headers: {x-api-key: "${KEY}", Authorization: "file:token", X-A: a$b$$c}
    interval: 30s
    statuses: [200-299, 304]
    state: {field: state.now, degraded: []}
    fields: {include: [cpu.*], max: 5}
    regions:
      - us-east
      - {name: eu-west, title: West, url: "https://eu.example/", headers: {X-Api-Key: "", X-B: b}, interval: 5s, timeout: 1s, statuses: [204], state: {up: [yes]}}
  - {name: made-up, simulated: true}
  - {name: third}
`, "KEY", "k", "POLL_TIMEOUT", "4s")
		Expect(os.WriteFile(filepath.Join(filepath.Dir(strings.TrimPrefix(environ[0], "CONFIG_FILE=")), "token"), []byte("Bearer t\n"), 0o600)).To(Succeed())
		c, warnings, err := config.Load(nil, environ)
		Expect(err).NotTo(HaveOccurred())
		Expect(warnings).To(BeEmpty())
		Expect(c.Catalog()).To(Equal(store.Catalog{
			{Name: "acme", Title: "Acme", Regions: []store.Region{{Name: "us-east"}, {Name: "eu-west", Title: "West"}}},
			{Name: "made-up", Regions: []store.Region{{Name: "eu-west", Title: "Europe"}, {Name: "us-east"}}},
			{Name: "third", Regions: []store.Region{{Name: "eu-west", Title: "Europe"}, {Name: "us-east"}}},
		}))
		apis := c.APIs()
		Expect(apis[0].Fields).To(Equal(config.Fields{Include: []string{"cpu.*"}, Max: 5}))
		Expect(apis[0].Regions).To(Equal([]config.Region{
			{
				Name: "us-east", URL: "https://acme.example/{source}", Interval: 30 * time.Second, Timeout: 4 * time.Second,
				Header:   http.Header{"X-Api-Key": {"k"}, "Authorization": {"Bearer t"}, "X-A": {"a$b$c"}},
				Statuses: []config.StatusRange{{From: 200, To: 299}, {From: 304, To: 304}},
				State:    config.State{StateField: "state.now", StateUp: []string{"fine", "ok"}},
			},
			{
				Name: "eu-west", Title: "West", URL: "https://eu.example/", Interval: 5 * time.Second, Timeout: time.Second,
				Header:   http.Header{"Authorization": {"Bearer t"}, "X-A": {"a$b$c"}, "X-B": {"b"}},
				Statuses: []config.StatusRange{{From: 204, To: 204}},
				State:    config.State{StateField: "state.now", StateUp: []string{"yes"}},
			},
		}))
		Expect([]any{apis[1].Simulated, apis[1].Regions[0].Interval, apis[2].Simulated, apis[2].Regions[0].URL, apis[2].Fields.Max}).
			To(Equal([]any{true, 20 * time.Second, false, "", 7}))
		Expect([]any{c.API(), c.Simulated()}).To(Equal([]any{"acme", false}))
	})

	It("lists regions for the API of the environment, whose settings may name them", func() {
		c, _, err := config.Load(nil, yaml("regions: [north, {name: south, title: S}]", "EXTERNAL_API_NAME", "acme", "POLL_INTERVALS", "south=3s"))
		Expect(err).NotTo(HaveOccurred())
		apis := c.APIs()
		Expect(apis).To(HaveLen(1))
		Expect([]any{apis[0].Name, apis[0].Regions[0].Name, apis[0].Regions[0].Interval, apis[0].Regions[1].Title, apis[0].Regions[1].Interval}).
			To(Equal([]any{"acme", "north", 30 * time.Second, "S", 3 * time.Second}))
		_, _, err = config.Load(nil, yaml("regions: [north]", "POLL_INTERVALS", "us-east=3s"))
		Expect(err).To(MatchError(ContainSubstring("which does not exist: north are allowed")))
	})

	It("polls a simulated API often unless an interval is set", func() {
		c, _, err := config.Load(nil, yaml("apis: [{name: a, simulated: true}, {name: b}]"))
		Expect(err).NotTo(HaveOccurred())
		Expect([]any{c.APIs()[0].Regions[0].Interval, c.APIs()[1].Regions[0].Interval}).To(Equal([]any{4 * time.Second, 30 * time.Second}))
	})

	DescribeTable("may be nearly empty", func(text string) {
		c, warnings, err := config.Load(nil, yaml(text))
		Expect(err).NotTo(HaveOccurred())
		Expect(warnings).To(BeEmpty())
		Expect(c.Catalog()).To(HaveLen(1))
		Expect(c.Catalog()[0].Sources()).To(Equal(store.Regions()))
	},
		Entry("nothing", ""), Entry("comments", "# settings:\n"), Entry("only a mark", "---\n"), Entry("a byte order mark", "\ufeff"),
		Entry("parts whose lines are comments", "settings:\n  # port: 1\nregions:\napis:\n"), Entry("braces", "{}"),
	)

	It("warns of settings that its APIs replace, and of a region that is a slip", func() {
		_, warnings, err := config.Load(nil, yaml("apis: [{name: a, regions: [eu-wst]}]", "UPSTREAM_URL", "http://h/", "EXTERNAL_API_NAME", "b", "UPSTREAM_HEADER_X", "y"))
		Expect(err).NotTo(HaveOccurred())
		Expect(warnings).To(ConsistOf(
			And(ContainSubstring("EXTERNAL_API_NAME, UPSTREAM_URL, UPSTREAM_HEADERS"), ContainSubstring("not used")),
			ContainSubstring("eu-wst is like eu-west"),
		))
		_, warnings, err = config.Load(nil, yaml("apis: [{name: a}]", "EXTERNAL_API_NAME", "A"))
		Expect(err).NotTo(HaveOccurred())
		Expect(warnings).To(BeEmpty(), "they say the same")
	})

	It("takes secrets out of files and out of the environment, also by NAME_FILE", func() {
		dir := folder(map[string]string{"url": "mongodb://u:p@h/x\n", "c.yaml": "settings: {database-url: \"file:url\", redis: \"redis://u:${PASS}@h:1\"}\n", "pass": "pw"})
		c, _, err := config.Load(nil, env("CONFIG_FILE", filepath.Join(dir, "c.yaml"), "PASS_FILE", filepath.Join(dir, "pass")))
		Expect(err).NotTo(HaveOccurred())
		Expect([]string{c.DatabaseURL, c.RedisHost}).To(Equal([]string{"mongodb://u:p@h/x", "redis://u:pw@h:1"}))
		lines := strings.Join(c.Lines(), "\n")
		Expect(lines).To(And(ContainSubstring("DATABASE_URL_FILE="+filepath.Join(dir, "url")), ContainSubstring("REDIS_HOST=redis://redacted:redacted@h:1"), Not(ContainSubstring("pw"))))
		c, _, err = config.Load(nil, env("CONFIG_FILE", filepath.Join(dir, "c.yaml"), "PASS", "x", "DATABASE_URL", "mongodb://other/x"))
		Expect(err).NotTo(HaveOccurred())
		Expect(c.DatabaseURL).To(Equal("mongodb://other/x"), "the environment goes before the file")
		c, _, err = config.Load(nil, env("CONFIG_FILE", filepath.Join(dir, "c.yaml"), "PASS", "x", "DATABASE_URL_FILE", filepath.Join(dir, "url"), "REDIS_HOST", ""))
		Expect(err).NotTo(HaveOccurred())
	})
})

var _ = Describe("a YAML file with mistakes", func() {
	It("is told all of them, each with its place", func() {
		_, _, err := config.Load(nil, yaml("settings:\n  port: 70000\n  poll-interval: 30\napis:\n  - name: a\n    timeout: x\n    ulr: y\n  - nam: b\n"))
		Expect(err).To(HaveOccurred())
		lines := strings.Split(err.Error(), "\n")
		Expect(lines).To(HaveLen(6))
		for i, place := range []string{"2:9", "3:18", "6:14", "7:5", "8:5", "8:5"} {
			Expect(lines[i]).To(ContainSubstring("c.yaml:" + place + ": "))
		}
	})

	DescribeTable("is told in a sentence", func(text string, parts ...string) {
		_, _, err := config.Load(nil, yaml(text, "SECRET", "hunter2"))
		Expect(err).To(HaveOccurred())
		for _, part := range append(parts, "c.yaml:") {
			Expect(err.Error()).To(ContainSubstring(part))
		}
		Expect(err.Error()).NotTo(ContainSubstring("hunter"))
	},
		Entry(nil, "settings: {poll-interval: 30}", "no unit", "30s"),
		Entry(nil, "settings: {poll-interval: 5ms}", "poll-interval: ", "too short"),
		Entry(nil, "settings: {port: hunter2}", "1:18: port: ", "whole number"),
		Entry(nil, "settings: {POLL_INTERVAL: 30s}", "poll-interval meant"),
		Entry(nil, "settings: {redis-host: x}", "is redis meant"),
		Entry(nil, "settings: {poll_interval: 30s}", "poll-interval meant"),
		Entry(nil, "settings: {hunter2: 30s}", "1:12: this key is unknown"),
		Entry(nil, "settings: {database-url: hunter2}", "must begin with mongodb://"),
		Entry(nil, "settings: {redis-sharded: hunter2}", "true or false"),
		Entry(nil, "settings: {environment: \"file:hunter2\"}", "only secrets"),
		Entry(nil, "settings: {port: }", "no value"),
		Entry(nil, "settings: {port: [1]}", "not a list"),
		Entry(nil, "settings: {environment: {hunter2: 1}}", "put into quotes"),
		Entry(nil, "settings: hunter2", "settings by the names"),
		Entry(nil, "settings: {environment: \"${NOT_THERE}\"}", "${NOT_THERE} is not set"),
		Entry(nil, "settings: {environment: \"${hunter2\"}", "between ${ and }"),
		Entry(nil, "settings: {environment: \"${SECRET-hunter2}\"}", "between ${ and }"),
		Entry(nil, "- hunter2", "keys with values"),
		Entry(nil, "hunter2", "keys with values"),
		Entry(nil, "api: []", `"api" is no key here: is apis meant?`),
		Entry(nil, "things: []", "this key is unknown; allowed here: settings, regions, apis, alerts"),
		Entry(nil, "settings: {}\nregions: []", ":2:10: regions has 0 entries"),
		Entry(nil, "settings: {}\napis: []", ":2:7: apis has 0 entries"),
		Entry(nil, "apis:\n- {name: a, regions: []}", ":2:22: this list of regions has 0 entries"),
		Entry(nil, "settings: {redis-cluster: hunter2}", "true or false is expected (the hosts are nodes of a Redis Cluster)"),
		Entry(nil, "apis: [hunter2]", "keys with values"),
		Entry(nil, "apis: hunter2", "a list is expected"),
		Entry(nil, "apis: [{name: a}, {name: A}]", "second time"),
		Entry(nil, "apis: [{name: \"a b\"}]", "cannot be the name"),
		Entry(nil, "apis: [{name: "+strings.Repeat("a", 65)+"}]", "at most 64"),
		Entry(nil, "apis: [{title: a}]", "no name"),
		Entry(nil, "apis: [{name: a, regions: [b, B]}]", "second time"),
		Entry(nil, "regions: [x]\napis: [{name: a, regions: [hunter2]}]", "not in the list of regions"),
		Entry(nil, "apis: [{name: a, url: hunter2}]", "no scheme"),
		Entry(nil, "apis: [{name: a, url: \"https://h/{hunter2}\"}]", "placeholder"),
		Entry(nil, "apis: [{name: a, url: \"https://h:hunter2/\"}]", "url has"),
		Entry(nil, "apis: [{name: a, simulated: true, url: \"https://hunter2/\"}]", "leave one"),
		Entry(nil, "apis: [{name: a, simulated: yes}]", "true or false"),
		Entry(nil, "apis: [{name: a, interval: 5}]", "no unit"),
		Entry(nil, "apis: [{name: a, interval: 5ms}]", "at least 100ms"),
		Entry(nil, "apis: [{name: a, timeout: -5s}]", "a duration"),
		Entry(nil, "apis: [{name: a, statuses: [99]}]", "100 to 599"),
		Entry(nil, "apis: [{name: a, statuses: [2xx]}]", "such as 200-299"),
		Entry(nil, "apis: [{name: a, statuses: [299-200]}]", "100 to 599"),
		Entry(nil, "apis: [{name: a, headers: {\"hunter2 x\": y}}]", "no name of a header"),
		Entry(nil, "apis: [{name: a, headers: {X-A: \"hunter2\\nx\"}}]", "signs in this value"),
		Entry(nil, "apis: [{name: a, headers: {X-A: hunter2, x-a: hunter2}}]", "second time"),
		Entry(nil, "apis: [{name: a, headers: {Connection: hunter2}}]", "sets itself"),
		Entry(nil, "apis: [{name: a, headers: [hunter2]}]", "by their names"),
		Entry(nil, "apis: [{name: a, headers: {A: \"file:nothing\"}}]", "no such file"),
		Entry(nil, "apis: [{name: a, headers: {A: \"file:.\"}}]", "directory"),
		Entry(nil, "apis: [{name: a, tls: {ca: c.yaml}}]", "no certificate"),
		Entry(nil, "apis: [{name: a, tls: {cert: c.yaml}}]", "belong together"),
		Entry(nil, "apis: [{name: a, tls: {cert: c.yaml, key: c.yaml}}]", "cannot be used"),
		Entry(nil, "apis: [{name: a, url: \"http://h/\", tls: {server_name: x}}]", "https://"),
		Entry(nil, "apis: [{name: a, state: {up: [hunter2], degraded: [hunter2]}}]", "state cannot be used"),
		Entry(nil, "apis: [{name: a, fields: {max: 0}}]", "1 to 10000"),
		Entry(nil, "apis: [{name: a, fields: {max: hunter2}}]", "whole number"),
		Entry(nil, "settings:\n\tport: 1", "a tab"),
		Entry(nil, "settings: {port: 1, port: 2}", "1:21", "second time"),
		Entry(nil, "a: hunter2\n---\nb: hunter2", "second document"),
		Entry(nil, "settings: {environment: hunter\xff}", "UTF-8"),
		Entry(nil, "settings: {database-url: *hunter2}", "no anchor"),
	)

	It("is refused when it is no file of a size that can be read", func() {
		dir := folder(nil)
		large, pipe := filepath.Join(dir, "large.yaml"), filepath.Join(dir, "pipe.yaml")
		Expect(os.WriteFile(large, nil, 0o600)).To(Succeed())
		Expect(os.Truncate(large, 100<<20)).To(Succeed())
		Expect(os.Mkdir(filepath.Join(dir, "dir.yaml"), 0o700)).To(Succeed())
		for path, part := range map[string]string{large: "larger than 1 MiB", filepath.Join(dir, "dir.yaml"): "directory", filepath.Join(dir, "no.yaml"): "no such file"} {
			_, _, err := config.Load(nil, env("CONFIG_FILE", path))
			Expect(err).To(MatchError(ContainSubstring(part)))
		}
		Expect(syscall.Mkfifo(pipe, 0o600)).To(Succeed())
		go func() { _ = os.WriteFile(pipe, []byte("settings: {port: 17}"), 0o600) }()
		l := config.NewLoader(nil, env("CONFIG_FILE", pipe))
		for range 2 { // what came out of it is kept
			c, _, err := l.Load()
			Expect(err).NotTo(HaveOccurred())
			Expect(c.Port).To(Equal(17))
		}
	})
})

func FuzzLoadYAML(f *testing.F) {
	f.Add("settings: {port: 1, poll-interval-of: [us-east=3s]}\nregions: [a, {name: b}]\napis: [{name: x, url: 'https://h/{source}', regions: [a]}]")
	f.Add("apis: &a\n  - name: x\n    headers: {A: \"${HOME}\"}\n    state: {up: [y]}\n    statuses: [200-204]\n    tls: {ca: x}")
	f.Add("alerts:\n  receivers: [{name: r, url: 'https://h/', headers: {A: '{{ .Region }}'}}]\n  rules: [{name: x, expr: \"down && failures > 1\", for: 3 polls, summary: '{{ .region }}'}]\n  maintenance: [{name: w, cron: 0 3 * * SUN, duration: 2h, time_zone: UTC}]")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "file") || strings.Contains(text, "tls") || strings.Contains(text, "dir") || strings.Contains(text, "template") {
			return // it reads what it names
		}
		path := filepath.Join(dir, "f.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, _, err := config.Load(nil, []string{"CONFIG_FILE=" + path})
		apis := c.APIs()
		if err == nil && (len(apis) < 1 || len(apis) > 50 || len(apis[0].Regions) < 1 || len(apis[0].Regions) > 200) {
			t.Fatal(fmt.Sprint("accepted, with ", len(apis), " APIs"))
		}
	})
}
