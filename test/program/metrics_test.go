package program

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/test/binary"
	"github.com/devops-insights/devops-insights/test/kit"
)

// measured is a server whose metrics are read.
type measured struct {
	cmd            *exec.Cmd
	addr, internal string
}

func startMeasured(environ ...string) measured {
	GinkgoHelper()
	first := freePorts(2)
	var n int
	_, err := fmt.Sscan(first, &n)
	Expect(err).NotTo(HaveOccurred())
	m := measured{addr: "127.0.0.1:" + first, internal: fmt.Sprint("127.0.0.1:", n+1)}
	m.cmd = command(nil, append(environ, "SERVER_PORT="+first, "INTERNAL_ADDR="+m.internal, "POLL_INTERVAL=200ms")...)
	start(m.cmd)
	ready(m.addr)
	return m
}

// aReceiver is one of alerts, where nobody listens: the discard port.
const aReceiver = "ALERT_WEBHOOK_URL=http://127.0.0.1:9/"

// scrape reads the metrics of an address in a format.
func scrape(addr, accept string) (families map[string]*dto.MetricFamily, text string, kind expfmt.Format) {
	GinkgoHelper()
	req, err := http.NewRequest(http.MethodGet, "http://"+addr+"/metrics", http.NoBody)
	Expect(err).NotTo(HaveOccurred())
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	Expect(resp.StatusCode).To(Equal(200))
	Expect(resp.Header.Get("Cache-Control")).To(Equal("no-store"))
	body, err := io.ReadAll(resp.Body)
	Expect(err).NotTo(HaveOccurred())
	kind, families = expfmt.ResponseFormat(resp.Header), make(map[string]*dto.MetricFamily)
	if accept == asOpenMetrics { // expfmt does not read it
		return nil, string(body), expfmt.Format(resp.Header.Get("Content-Type"))
	}
	d := expfmt.NewDecoder(strings.NewReader(string(body)), kind)
	for {
		f := new(dto.MetricFamily)
		if err := d.Decode(f); err == io.EOF {
			return families, string(body), kind
		} else {
			Expect(err).NotTo(HaveOccurred())
		}
		families[f.GetName()] = f
	}
}

// shape is the type and the labels of a metric, as testdata/metrics.txt has them.
func shape(f *dto.MetricFamily) string {
	values, product := make(map[string]map[string]bool), 1
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if values[l.GetName()] == nil {
				values[l.GetName()] = make(map[string]bool)
			}
			values[l.GetName()][l.GetValue()] = true
		}
	}
	text := strings.TrimPrefix(f.GetName(), "devops_insights_") + " " + strings.ToLower(f.GetType().String())
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all := slices.Sorted(maps.Keys(values[name]))
		product *= len(all)
		shown := strings.Join(all, ",")
		switch {
		case f.GetName() == "devops_insights_build_info":
			shown = "*"
		case slices.Equal(all, slices.Sorted(slices.Values(store.Regions()))):
			shown = "<regions>"
		}
		text += " " + name + "=" + shown
	}
	Expect(f.GetMetric()).To(HaveLen(product), "every combination of the labels of %s is there", f.GetName())
	return text
}

const (
	asText        = "text/plain"
	asOpenMetrics = "application/openmetrics-text; version=1.0.0"
	asProtobuf    = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
)

var _ = Describe("the metrics", func() {
	It("have the names and labels that are documented, each of them from the start, and no others", func() {
		m := startMeasured(aReceiver)
		families, _, kind := scrape(m.internal, asText)
		Expect(kind.FormatType()).To(Equal(expfmt.TypeTextPlain))
		var found []string
		for name, f := range families {
			if strings.HasPrefix(name, "devops_insights_") {
				found = append(found, shape(f))
			} else {
				Expect(name).To(MatchRegexp("^(go|process)_"))
			}
		}
		list, err := os.ReadFile("testdata/metrics.txt")
		Expect(err).NotTo(HaveOccurred())
		wanted := strings.Split(strings.TrimSpace(string(list)), "\n")[1:]
		Expect(found).To(ConsistOf(wanted))
		documented, err := os.ReadFile("../../docs/metrics.md")
		Expect(err).NotTo(HaveOccurred())
		for _, line := range wanted {
			name, _, _ := strings.Cut(line, " ")
			Expect(string(documented)).To(ContainSubstring("`"+name), "docs/metrics.md")
		}

		// What nobody can count stays out, also when there is something to tell.
		dashboard := kit.Dial(GinkgoTB(), "http://"+m.addr)
		dashboard.Subscribe("eu-west")
		Eventually(func() string { _, text, _ := scrape(m.internal, asText); return text }, "20s").Should(
			MatchRegexp(`(?m)^devops_insights_room_members\{region="eu-west"\} 1$`))
		dashboard.Close()
		Eventually(func() string { _, text, _ := scrape(m.internal, asText); return text }, "20s").Should(
			MatchRegexp(`(?m)^devops_insights_connections_closed_total\{reason="\w+"\} 1$`))
		after, text, _ := scrape(m.internal, asText)
		Expect(text).NotTo(ContainSubstring("127.0.0.1"))
		found = nil
		for name, f := range after {
			if strings.HasPrefix(name, "devops_insights_") {
				found = append(found, shape(f))
			}
		}
		Expect(found).To(ConsistOf(wanted), "no series came with a dashboard")
		stop(m.cmd, "20s")
	})

	It("tell of the way from the upstream to a dashboard", func() {
		m := startMeasured()
		dashboard := kit.Dial(GinkgoTB(), "http://"+m.addr)
		dashboard.Subscribe("eu-west")
		for _, name := range []string{"poll_to_write_seconds", "broadcast_seconds", `store_seconds`, `poll_seconds`} {
			Eventually(func() uint64 {
				families, _, _ := scrape(m.internal, asText)
				n := uint64(0)
				for _, one := range families["devops_insights_"+name].GetMetric() {
					n += one.GetHistogram().GetSampleCount()
				}
				return n
			}, "20s").Should(BeNumerically(">", 0), name)
		}
		families, _, _ := scrape(m.internal, asText)
		way := families["devops_insights_poll_to_write_seconds"].GetMetric()[0].GetHistogram()
		Expect(way.GetSampleSum() / float64(way.GetSampleCount())).To(And(BeNumerically(">", 0), BeNumerically("<", 20)))
		stop(m.cmd, "20s")
	})

	It("come in each format that Prometheus asks for, with native histograms and classic buckets", func() {
		m := startMeasured()
		Eventually(func() string { _, text, _ := scrape(m.internal, asText); return text }, "20s").Should(
			MatchRegexp(`(?m)^devops_insights_poll_to_write_seconds_count [1-9]`))
		_, text, kind := scrape(m.internal, asOpenMetrics)
		Expect(string(kind)).To(HavePrefix("application/openmetrics-text; version=1.0.0;"))
		Expect(text).To(HaveSuffix("\n# EOF\n"))
		Expect(text).To(ContainSubstring("# TYPE devops_insights_polls counter\n"))
		families, _, kind := scrape(m.internal, asProtobuf)
		Expect(kind.FormatType()).To(Equal(expfmt.TypeProtoDelim))
		h := families["devops_insights_poll_to_write_seconds"].GetMetric()[0].GetHistogram()
		Expect(h.Schema).NotTo(BeNil(), "a native histogram")
		Expect(h.GetPositiveSpan()).NotTo(BeEmpty())
		Expect(len(h.GetBucket())).To(BeNumerically(">", 10), "classic buckets")
		for _, one := range families {
			Expect(model.LegacyValidation.IsValidMetricName(one.GetName())).To(BeTrue())
		}
		stop(m.cmd, "20s")
	})

	DescribeTable("are shown where METRICS and METRICS_TOKEN say",
		func(environ []string, header []string, main, internal int) {
			m := startMeasured(environ...)
			status, body := ask("http://"+m.addr+"/metrics", header...)
			Expect(status).To(Equal(main), "on the port of the dashboards")
			Expect(strings.Contains(body, "devops_insights_")).To(Equal(main == 200))
			status, _ = ask("http://" + m.internal + "/metrics")
			Expect(status).To(Equal(internal), "on the internal listener")
			stop(m.cmd, "20s")
		},
		Entry("nothing is set", nil, nil, 404, 200),
		Entry("public", []string{"METRICS=public"}, nil, 200, 200),
		Entry("off", []string{"METRICS=off"}, nil, 404, 404),
		Entry("a token, and none is shown", []string{"METRICS_TOKEN=correct-horse-battery"}, nil, 401, 200),
		Entry("a token, and another is shown", []string{"METRICS_TOKEN=correct-horse-battery"}, []string{"Authorization", "Bearer correct-horse-batterz"}, 401, 200),
		Entry("a token, and it is shown", []string{"METRICS_TOKEN=correct-horse-battery"}, []string{"Authorization", "Bearer correct-horse-battery"}, 200, 200),
		Entry("a token, which is shown as a password", []string{"METRICS_TOKEN=correct-horse-battery"}, []string{"Authorization", "Basic correct-horse-battery"}, 401, 200),
		Entry("public with a token", []string{"METRICS=public", "METRICS_TOKEN=correct-horse-battery"}, nil, 401, 200),
	)

	It("cannot be set up with a token that can be guessed, or in a place that there is not", func() {
		_, stderr, code := finish(nil, "METRICS_TOKEN=short", "METRICS=everywhere")
		Expect(code).To(Equal(78))
		Expect(stderr).To(And(ContainSubstring("METRICS_TOKEN cannot be used: at least 16 characters"), ContainSubstring(`METRICS="everywhere" is unknown: internal, public and off are allowed`)))
		Expect(stderr).NotTo(ContainSubstring("short"))
	})
})

// deployed is the folder of what is for Prometheus or Grafana.
func deployed(name string) string { return filepath.Join("../../deploy", name) }

// used returns the metrics that a text of PromQL expressions uses; the names of
// recording rules have colons.
func used(text string) []string {
	text = regexp.MustCompile(`[a-z0-9_]*:[a-z0-9_:]*`).ReplaceAllString(text, " ")
	return regexp.MustCompile(`\b(devops_insights|process|go)_[a-z0-9_]+\b`).FindAllString(text, -1)
}

var _ = Describe("the rules and the dashboard", func() {
	tool := func(name string) string {
		GinkgoHelper()
		path, err := filepath.Abs("../../bin/" + name)
		Expect(err).NotTo(HaveOccurred())
		if _, err := os.Stat(path); err != nil {
			Skip(name + " is missing: make deps builds it")
		}
		return path
	}
	run := func(in io.Reader, name string, args ...string) {
		GinkgoHelper()
		cmd := exec.Command(tool(name), args...)
		cmd.Dir, cmd.Stdin = deployed("prometheus"), in
		out, err := cmd.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
	}

	It("use only metrics that there are", func() {
		m := startMeasured(aReceiver)
		_, text, _ := scrape(m.internal, asText)
		there := make(map[string]bool)
		for line := range strings.SplitSeq(text, "\n") {
			name, _, _ := strings.Cut(strings.SplitN(line, " ", 2)[0], "{")
			there[name] = true
		}
		for _, file := range []string{"prometheus/recording.yml", "prometheus/alerts.yml", "prometheus/alerts_test.yml", "grafana/devops-insights.json"} {
			content, err := os.ReadFile(deployed(file))
			Expect(err).NotTo(HaveOccurred())
			names := used(string(content))
			Expect(len(names)).To(BeNumerically(">", 3), file)
			for _, name := range names {
				Expect(there).To(HaveKey(name), "%s uses it", file)
			}
		}
		run(strings.NewReader(text), "promtool", "check", "metrics")
		stop(m.cmd, "20s")
	})

	It("are taken by promtool, and the alerts fire when they should", func() {
		run(nil, "promtool", "check", "rules", "recording.yml", "alerts.yml")
		run(nil, "promtool", "check", "config", "prometheus.yml")
		run(nil, "promtool", "test", "rules", "alerts_test.yml")
	})

	It("show every metric on the dashboard", func() {
		content, err := os.ReadFile(deployed("grafana/devops-insights.json"))
		Expect(err).NotTo(HaveOccurred())
		var dashboard struct {
			UID    string
			Panels []struct{ Title, Type string }
		}
		Expect(json.Unmarshal(content, &dashboard)).To(Succeed())
		Expect(dashboard.UID).To(Equal("devops-insights"))
		shown := strings.Join(used(string(content)), " ")
		list, err := os.Open("testdata/metrics.txt")
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = list.Close() }()
		for s := bufio.NewScanner(list); s.Scan(); {
			if name, _, _ := strings.Cut(s.Text(), " "); name != "#" {
				Expect(shown).To(ContainSubstring("devops_insights_" + name))
			}
		}
	})

	It("are understood by a real Prometheus, which scrapes the program", func() {
		prometheus := tool("prometheus")
		m := startMeasured()
		dir := GinkgoT().TempDir()
		for _, name := range []string{"recording.yml", "alerts.yml", "prometheus.yml"} {
			content, err := os.ReadFile(deployed("prometheus/" + name))
			Expect(err).NotTo(HaveOccurred())
			text := strings.NewReplacer("localhost:5001", m.internal, "interval: 15s", "interval: 1s").Replace(string(content))
			Expect(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)).To(Succeed())
		}
		addr, log := "127.0.0.1:"+freePort(), new(binary.Output)
		server := exec.Command(prometheus, "--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", addr)
		server.Stdout, server.Stderr = log, log
		start(server)
		query := func(expr string) func() string {
			return func() string {
				_, body := ask("http://" + addr + "/api/v1/query?query=" + strings.NewReplacer("+", "%2B", " ", "%20", "{", "%7B", "}", "%7D", `"`, "%22").Replace(expr))
				return body
			}
		}
		Eventually(query(`up{job="devops-insights"}`), "60s", "200ms").Should(ContainSubstring(`"1"]`), log.String)
		Eventually(query(`sum(devops_insights_leader)`), "60s", "200ms").Should(ContainSubstring(`"1"]`))
		Eventually(query(`histogram_count(devops_insights_poll_to_write_seconds) > 0`), "60s", "200ms").Should(ContainSubstring(`"value"`), "a native histogram")
		Eventually(query(`devops_insights_poll_to_write_seconds_count > 0`), "60s", "200ms").Should(ContainSubstring(`"value"`), "a classic one")
		Eventually(query(`job:devops_insights_connections:sum`), "60s", "200ms").Should(ContainSubstring(`"value"`), "a recording rule")
		_, rules := ask("http://" + addr + "/api/v1/rules")
		Expect(rules).NotTo(ContainSubstring(`"health":"err"`))
		stop(server, "30s")
		stop(m.cmd, "20s")
	})
})
