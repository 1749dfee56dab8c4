package api_test

import (
	"context"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/api"
	"github.com/devops-insights/devops-insights/store"
)

// polled is a service whose eu-west was up, down for 90 s, degraded for 30 s, and
// up again, polled each 10 s from 09:00 to 10:00 of now's day; its value n is 1,
// and 3 from 09:30 on.
func polled(change ...func(*api.Options)) *service {
	GinkgoHelper()
	s := serve(change...)
	begin := now.Add(-time.Hour)
	at := func(second int) time.Time { return begin.Add(time.Duration(second) * time.Second) }
	interval := func(from, to int, state store.State, reason string) store.Interval {
		return store.Interval{API: "acme", Source: "eu-west", From: at(from), To: at(to), Until: at(to + 20), State: state, Reason: reason, Polls: 1}
	}
	Expect(s.PutOutcomes(context.Background(), 1, []store.Interval{
		interval(0, 600, store.StateUp, ""), interval(600, 630, store.StateDown, "TIMEOUT"), interval(630, 690, store.StateDown, "HTTP_503"),
		interval(690, 720, store.StateDegraded, "slow | <b>"), interval(720, 3600, store.StateUp, ""),
	})).To(Succeed())
	offset := int(begin.Sub(epoch).Seconds())
	s.put(row("eu-west", `{"status":"ok","n":1}`, offset), row("eu-west", `{"status":"ok","n":3}`, offset+1800))
	return s
}

var _ = Describe("GET /api/v1/series", func() {
	points := func(a answer) (values []any) {
		for _, p := range a.json()["points"].([]any) {
			values = append(values, p.(map[string]any)["value"])
		}
		return values
	}

	It("answers one field over time, with gaps where the region was down, and tells the tier", func() {
		s := polled()
		a := s.get("/api/v1/series?source=EU-West&field=n&from=2026-11-25T08:55:00Z&to=2026-11-25T10:00:00Z&step=5m")
		Expect(points(a)).To(Equal([]any{nil, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0}))
		Expect(a.json()).To(And(HaveKeyWithValue("tier", "raw"), HaveKeyWithValue("agg", "avg"), HaveKeyWithValue("step", 300.0), HaveKeyWithValue("source", "eu-west")))
		Expect(a.body).To(ContainSubstring(`"points":[{"at":"2026-11-25T08:55:00.000Z","value":null},{"at":"2026-11-25T09:00:00.000Z","value":1},`))
		down := s.get("/api/v1/series?source=eu-west&field=n&from=2026-11-25T09:10:00Z&to=2026-11-25T09:12:00Z&step=30s")
		Expect(points(down)).To(Equal([]any{nil, nil, nil, 1.0}), "degraded time counts")
		half := s.get("/api/v1/series?source=eu-west&field=data.n&from=2026-11-25T09:15:00Z&to=2026-11-25T09:45:00Z&step=1800")
		Expect(points(half)).To(Equal([]any{2.0}), "weighted by time")
	})

	DescribeTable("has each agg", func(agg string, want float64) {
		a := polled().get("/api/v1/series?source=eu-west&field=n&from=1795597200&to=1795600800.0&step=1h&agg=" + agg)
		Expect(points(a)).To(HaveLen(1))
		Expect(points(a)[0]).To(BeNumerically("~", want, want*0.021))
	},
		Entry(nil, "avg", (1*1710+3*1800)/3510.0), Entry(nil, "min", 1.0), Entry(nil, "max", 3.0), Entry(nil, "last", 3.0),
		Entry(nil, "p50", 3.0), Entry(nil, "p95", 3.0), Entry(nil, "p99", 3.0), Entry(nil, "count", 2.0),
	)

	It("has about 300 steps of a day where nothing is asked for", func() {
		a := polled().get("/api/v1/series?source=eu-west&field=n")
		Expect(points(a)).To(HaveLen(288))
		Expect(a.json()).To(And(HaveKeyWithValue("step", 300.0), HaveKeyWithValue("to", "2026-11-25T10:00:00.000Z")))
	})

	DescribeTable("takes steps as Prometheus has them", func(step string, seconds float64) {
		a := polled().get("/api/v1/series?source=eu-west&field=n&from=2026-01-01T00:00:00Z&step=" + step)
		Expect(a.json()).To(HaveKeyWithValue("step", seconds))
	},
		Entry(nil, "1d12h", 129600.0), Entry(nil, "1w", 604800.0), Entry(nil, "1y", 365*86400.0), Entry(nil, "90m", 5400.0),
		Entry(nil, "3600", 3600.0), Entry(nil, "3600.5", 3600.5), Entry(nil, "1h30m10s500ms", 5410.5),
	)

	It("is the same for who has it already", func() {
		s := polled()
		path := "/api/v1/series?source=eu-west&field=n&from=2026-11-25T09:00:00Z&to=2026-11-25T09:30:00Z&step=1m"
		Expect(s.get(path, "If-None-Match", s.get(path).Header.Get("ETag")).StatusCode).To(Equal(http.StatusNotModified))
	})

	DescribeTable("refuses with a sentence", func(query string, status int, parts ...string) {
		polled().get("/api/v1/series?"+query).refused(status, parts...)
	},
		Entry("no region", "field=n", 400, "source"),
		Entry("no field", "source=eu-west", 400, "field"),
		Entry("a region that there is none of", "source=mars&field=n", 404, "mars", "eu-west"),
		Entry("a field that is a text", "source=eu-west&field=status", 400, "field"),
		Entry("a field without an end", "source=eu-west&field="+strings.Repeat("x", 501), 400, "field", "500"),
		Entry("more points than are allowed", "source=eu-west&field=n&from=2026-11-01T00:00:00Z&to=2026-11-08T00:00:00Z&step=1s", 400, "step", "11000", "604800"),
		Entry("the longest range in the shortest steps", "source=eu-west&field=n&from=0001-01-02T00:00:00Z&to=9999-12-31T23:59:59Z&step=1ms", 400, "step"),
		Entry("a step of nothing", "source=eu-west&field=n&step=0", 400, "step", "1d12h"),
		Entry("a step of less", "source=eu-west&field=n&step=-5m", 400, "step"),
		Entry("a step in the wrong order", "source=eu-west&field=n&step=5m1h", 400, "step"),
		Entry("a step that overflows", "source=eu-west&field=n&step=999999999y", 400, "step"),
		Entry("a step that is no number", "source=eu-west&field=n&step=NaN", 400, "step"),
		Entry("a step beyond all numbers", "source=eu-west&field=n&step="+strings.Repeat("9", 400), 400, "step"),
		Entry("an agg that there is none of", "source=eu-west&field=n&agg=median", 400, "agg", "median", "p95"),
		Entry("a range of nothing", "source=eu-west&field=n&from=5&to=5", 400, "to"),
		Entry("a range that ends before it begins", "source=eu-west&field=n&from=6&to=5", 400, "from"),
		Entry("a range that ended before there was a year", "source=eu-west&field=n&to=0001-01-01T00:00:01Z", 400, "from"),
		Entry("an operator", "source=eu-west&field[$regex]=.*", 400, "field[$regex]"),
	)
})

var _ = Describe("GET /api/v1/uptime", func() {
	It("answers how long a region was up, with incidents", func() {
		a := polled().get("/api/v1/uptime?source=eu-west&window=1h")
		Expect(a.body).To(Equal(`{"api":"acme","window":"1h","from":"2026-11-25T09:00:00.000Z","to":"2026-11-25T10:00:00.000Z","regions":[{"source":"eu-west",` +
			`"firstPoll":"2026-11-25T09:00:00.000Z","from":"2026-11-25T09:00:00.000Z","to":"2026-11-25T10:00:00.000Z",` +
			`"uptime":96.666667,"available":97.5,"watched":100,"upSeconds":3480,"degradedSeconds":30,"downSeconds":90,"unknownSeconds":0,` +
			`"degradedMinutes":0.5,"downMinutes":1.5,"incidentCount":1,"longestSeconds":90,"mttrSeconds":90,"mtbfSeconds":3510,` +
			`"incidents":[{"from":"2026-11-25T09:10:00.000Z","to":"2026-11-25T09:11:30.000Z","reason":"TIMEOUT, HTTP_503","downSeconds":90}]}]}`))
	})

	It("answers all regions where none is named, also those that were never polled", func() {
		regions := polled().get("/api/v1/uptime").json()["regions"].([]any)
		Expect(regions).To(HaveLen(6))
		first := regions[0].(map[string]any)
		Expect(first).To(And(HaveKeyWithValue("source", "us-east"), HaveKeyWithValue("uptime", BeNil()), HaveKeyWithValue("firstPoll", BeNil()), HaveKeyWithValue("from", BeNil())))
	})

	It("takes two times as a window; an incident that goes on at its end has none", func() {
		for _, window := range []string{"2026-11-25T09:10:30Z..2026-11-25T09:11:00Z", "1795597830..1795597860", "2026-11-25T10:10:30%2B01:00..1795597860"} {
			region := polled().get("/api/v1/uptime?source=eu-west&window=" + window).json()["regions"].([]any)[0].(map[string]any)
			Expect(region).To(And(HaveKeyWithValue("downSeconds", 30.0), HaveKeyWithValue("uptime", 0.0), HaveKeyWithValue("mttrSeconds", BeNil())))
			Expect(region["incidents"].([]any)[0]).To(And(HaveKeyWithValue("to", BeNil()), HaveKeyWithValue("reason", "HTTP_503")))
		}
	})

	DescribeTable("takes each window", func(window string) {
		region := polled().get("/api/v1/uptime?source=eu-west&window=" + window).json()["regions"].([]any)[0]
		Expect(region).To(HaveKeyWithValue("downSeconds", 90.0))
	}, Entry(nil, "24h"), Entry(nil, "7d"), Entry(nil, "30d"), Entry(nil, "90d"), Entry(nil, "365d"), Entry(nil, "1y"), Entry(nil, "3600"))

	DescribeTable("refuses with a sentence", func(query string, status int, parts ...string) {
		polled().get("/api/v1/uptime?"+query).refused(status, parts...)
	},
		Entry("a region that there is none of", "source=mars", 404, "mars"),
		Entry("a window that is none", "window=month", 400, "window", `"month"`, "30d"),
		Entry("a window of nothing", "window=0s", 400, "window"),
		Entry("a negative window", "window=-7d", 400, "window"),
		Entry("a window with one end", "window=2026-11-01T00:00:00Z..", 400, "window"),
		Entry("a window with three ends", "window=1..2..3", 400, "window"),
		Entry("a window that ends before it begins", "window=6..5", 400, "window", "before"),
		Entry("a window beyond all times", "window=1..99999999999999", 400, "window"),
		Entry("NaN", "window=NaN..NaN", 400, "window"),
		Entry("an array", "window[]=7d", 400, "window[]"),
	)
})

var _ = Describe("badges", func() {
	texts := func(a answer) (all []string) {
		GinkgoHelper()
		Expect(a.StatusCode).To(Equal(http.StatusOK), a.body)
		Expect(a.Header.Get("Content-Type")).To(Equal("image/svg+xml"))
		Expect(len(a.body)).To(BeNumerically("<", 1500))
		d := xml.NewDecoder(strings.NewReader(a.body))
		for {
			token, err := d.Token()
			if err == io.EOF { //nolint:errorlint // the decoder returns it as it is
				return all
			}
			Expect(err).NotTo(HaveOccurred())
			if text, ok := token.(xml.CharData); ok && strings.TrimSpace(string(text)) != "" {
				all = append(all, string(text))
			}
		}
	}

	It("show the state of the last poll, until the next one is overdue", func() {
		clock := now
		s := polled(func(o *api.Options) { o.Now = func() time.Time { return clock } })
		a := s.get("/api/v1/badge/EU-West/status.svg")
		Expect(texts(a)).To(Equal([]string{"eu-west: up", "eu-west", "up"}))
		Expect(a.Header.Get("Cache-Control")).To(Equal("public, max-age=30"))
		Expect(s.get("/api/v1/badge/eu-west/status.svg", "If-None-Match", a.Header.Get("ETag")).StatusCode).To(Equal(http.StatusNotModified))
		clock = now.Add(21 * time.Second)
		Expect(texts(s.get("/api/v1/badge/eu-west/status.svg"))).To(ContainElement("unknown"))
		Expect(texts(s.get("/api/v1/badge/us-east/status.svg"))).To(ContainElement("unknown"))
	})

	It("show the uptime, rounded down", func() {
		s := polled()
		a := s.get("/api/v1/badge/eu-west/uptime/30d.svg")
		Expect(texts(a)).To(Equal([]string{"eu-west 30d: 96.66 %", "eu-west 30d", "96.66 %"}))
		Expect(a.Header.Get("Cache-Control")).To(Equal("public, max-age=300"))
		Expect(texts(s.get("/api/v1/badge/us-east/uptime/7d.svg"))).To(ContainElement("unknown"))
	})

	DescribeTable("are refused with a sentence", func(path string, status int, parts ...string) {
		polled().get("/api/v1/badge/"+path).refused(status, parts...)
	},
		Entry("of a region that there is none of", "mars/status.svg", 404, "mars", "eu-west"),
		Entry("of markup", "%3Cscript%3E/status.svg", 404),
		Entry("of a window that is none", "eu-west/uptime/month.svg", 404, "month", "30d.svg"),
		Entry("of another kind of image", "eu-west/uptime/30d.png", 404, "30d.svg"),
		Entry("of two times", "eu-west/uptime/1..2.svg", 404),
		Entry("with a parameter", "eu-west/status.svg?style=flat", 400, "style"),
	)
})

var _ = Describe("GET /api/v1/report", func() {
	It("answers what a month was like, as JSON", func() {
		a := polled().get("/api/v1/report?month=2026-11&source=eu-west")
		Expect(a.json()).To(And(HaveKeyWithValue("month", "2026-11"), HaveKeyWithValue("partial", true)))
		region := a.json()["regions"].([]any)[0].(map[string]any)
		Expect(region).To(And(HaveKeyWithValue("downSeconds", 90.0), HaveKeyWithValue("changes", 2.0), HaveKeyWithValue("incidentCount", 1.0)))
	})

	It("tells the quantiles of the fields that are named", func() {
		region := polled().get("/api/v1/report?month=2026-11&source=eu-west&fields=n,status,nothing").json()["regions"].([]any)[0].(map[string]any)
		fields := region["fields"].([]any)
		Expect(fields[0]).To(And(HaveKeyWithValue("field", "n"), HaveKeyWithValue("p50", BeNumerically("~", 3, 0.06)), HaveKeyWithValue("p95", BeNumerically("~", 3, 0.06))))
		Expect(fields[1]).To(And(HaveKeyWithValue("field", "status"), HaveKeyWithValue("p50", BeNil())))
		Expect(fields[2]).To(HaveKeyWithValue("p95", BeNil()))
	})

	It("is a table for spreadsheets, and text for people, without markup of the upstream", func() {
		s := polled()
		a := s.get("/api/v1/report?month=2026-11&format=csv&fields=n")
		Expect(a.Header.Get("Content-Disposition")).To(Equal(`attachment; filename="report-2026-11.csv"`))
		records, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
		Expect(err).NotTo(HaveOccurred())
		Expect(records).To(HaveLen(7))
		Expect(records[0][12:]).To(Equal([]string{"mtbfSeconds", "changes", "n p50", "n p95"}))
		Expect(records[2][:9]).To(Equal([]string{"2026-11", "eu-west", "96.666667", "97.5", "100", "3480", "30", "90", "0"}))
		Expect(records[1][:6]).To(Equal([]string{"2026-11", "us-east", "", "", "", "0"}))
		a = s.get("/api/v1/report?month=2026-11&fields=n", "Accept", "text/markdown")
		Expect(a.Header.Get("Content-Type")).To(Equal("text/markdown; charset=utf-8"))
		Expect(a.body).To(HavePrefix("# acme: November 2026\n\nThe month is not over"))
		Expect(a.body).To(ContainSubstring("| eu-west | 96.66 % | 97.5 % | 100 % | 30s | 1m30s | 1 | 1m30s | 1m30s | 58m30s | 2 |\n"))
		Expect(a.body).To(ContainSubstring("| 2026-11-25 09:10:00 | 2026-11-25 09:11:30 | 1m30s | TIMEOUT, HTTP\\_503 |\n"))
	})

	It("shows the words of an upstream as they are", func() {
		s := serve()
		begin := now.Add(-time.Hour)
		Expect(s.PutOutcomes(context.Background(), 1, []store.Interval{{
			API: "acme", Source: "eu-west", From: begin, To: now, Until: now, State: store.StateDown, Polls: 1, Reason: "a | <b>*x*</b> [y](javascript:z)\n# `",
		}})).To(Succeed())
		Expect(s.get("/api/v1/report?month=2026-11&format=md").body).To(ContainSubstring("| a \\| \\<b\\>\\*x\\*\\</b\\> \\[y\\]\\(javascript\\:z\\) \\# \\` |\n"))
	})

	It("of a month without anything is a report all the same", func() {
		for _, format := range []string{"json", "csv", "md"} {
			Expect(serve().get("/api/v1/report?month=2001-02&format=" + format).StatusCode).To(Equal(http.StatusOK))
		}
		Expect(serve().get("/api/v1/report").json()).To(HaveKeyWithValue("month", "2026-10"))
	})

	DescribeTable("refuses with a sentence", func(query string, status int, parts ...string) {
		polled().get("/api/v1/report?"+query).refused(status, parts...)
	},
		Entry("a month that is none", "month=2026-13", 400, "month", "2026-13"),
		Entry("a month to come", "month=2026-12", 400, "month", "2026-11"),
		Entry("a day", "month=2026-11-01", 400, "month"),
		Entry("the year 0", "month=0000-01", 400, "month"),
		Entry("a word", "month=november", 400, "month"),
		Entry("a format that there is none of", "month=2026-11&format=pdf", 400, "format", "json, md, csv"),
		Entry("too many fields", "month=2026-11&fields="+strings.Repeat("a,", 20)+"a", 400, "20"),
		Entry("a region that there is none of", "month=2026-11&source=mars", 404, "mars"),
		Entry("an operator", "month[$gt]=2026-11", 400, "month[$gt]"),
	)
})

var _ = Describe("while the database is away", func() {
	for _, path := range []string{"/series?source=eu-west&field=n", "/uptime", "/badge/eu-west/status.svg", "/badge/eu-west/uptime/30d.svg", "/report?month=2026-11"} {
		It("every question is answered with 503 and Retry-After: "+path, func() {
			s := serve()
			Expect(s.Close()).To(Succeed())
			a := s.get("/api/v1" + path)
			a.refused(http.StatusServiceUnavailable, "ask again later")
			Expect(a.Header.Get("Retry-After")).To(Equal("5"))
			nothing := serve(func(o *api.Options) { o.Past = nil })
			nothing.get("/api/v1"+path).refused(http.StatusServiceUnavailable, "ask again later")
		})
	}

	It("questions beyond the number that is allowed at one time are answered with 503", func() {
		hold := make(chan struct{})
		s := serve(func(o *api.Options) {
			o.MaxQuestions, o.Wait = 1, time.Millisecond
			o.History = holding{hold}
		})
		go func() {
			defer GinkgoRecover()
			s.get("/api/v1/history")
		}()
		Eventually(func() int { return s.get("/api/v1/uptime").StatusCode }).Should(Equal(http.StatusServiceUnavailable))
		close(hold)
		Eventually(func() int { return s.get("/api/v1/uptime").StatusCode }).Should(Equal(http.StatusOK))
	})
})

// holding is a history that answers when it may.
type holding struct{ until chan struct{} }

func (h holding) Scan(ctx context.Context, _ store.Query, _ func(store.Metric) error) error {
	select {
	case <-h.until:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("nobody waits: %w", ctx.Err())
	}
}
