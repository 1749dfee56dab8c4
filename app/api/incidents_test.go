package api_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/api"
	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
)

// incident returns the nth incident, which began n minutes after epoch and lasted
// for one.
func incident(n int, region string) alert.Alert {
	one := example("00000000000000aa", region, alert.Resolved)
	one.Incident = fmt.Sprintf("%s-%d", one.ID, n)
	began := epoch.Add(time.Duration(n) * time.Minute)
	ended := began.Add(time.Minute)
	one.PendingAt, one.StartedAt, one.EndedAt = began, &began, &ended
	return one
}

// sameRecord is a store that has one record over and over.
type sameRecord struct{ one store.Record }

func (e *sameRecord) FindRecords(_ context.Context, q store.RecordQuery) ([]store.Record, error) {
	return slices.Repeat([]store.Record{e.one}, q.Limit), nil
}

var _ = Describe("GET /api/v1/incidents", func() {
	It("answers the newest first, page by page, of the region and time that are asked for", func() {
		s, _ := serveAlerts()
		for n := range 250 {
			s.keep(incident(n, []string{"eu-west", "us-east", "us-east", "us-east", "us-east"}[n%5]))
		}
		pages := func(query string) (pages []int, all []string) {
			next := ""
			for {
				a := s.get("/api/v1/incidents?" + query + next)
				for _, one := range a.items() {
					all = append(all, strings.TrimPrefix(one["incident"].(string), "00000000000000aa-"))
				}
				pages = append(pages, len(a.items()))
				cursor, more := a.json()["next"].(string)
				if !more {
					return pages, all
				}
				next = "&cursor=" + cursor
			}
		}
		sizes, all := pages("")
		Expect(sizes).To(Equal([]int{100, 100, 50}))
		Expect(all).To(HaveLen(250))
		Expect([]string{all[0], all[1], all[249]}).To(Equal([]string{"249", "248", "0"}))
		sizes, all = pages("source=eu-west&limit=20")
		Expect(sizes).To(Equal([]int{20, 20, 10}))
		Expect(all[:2]).To(Equal([]string{"245", "240"}))
		_, all = pages("from=2026-11-01T00:10:00Z&to=2026-11-01T00:12:00Z")
		Expect(all).To(Equal([]string{"12", "11", "10"}))
		_, all = pages("api=other")
		Expect(all).To(BeEmpty())
	})
	DescribeTable("refuses what it cannot understand", func(query, part string) {
		s, _ := serveAlerts()
		s.get("/api/v1/incidents?"+query).refused(400, part)
	},
		Entry(nil, "limit=501", "500"), Entry(nil, "limit=0", "limit"), Entry(nil, "cursor=AAAA", "cursor"), Entry(nil, "from=2&to=1", "after"), Entry(nil, "region=x", "source"),
	)
	It("takes no cursor of another question", func() {
		s, _ := serveAlerts()
		s.keep(incident(1, "eu-west"), incident(2, "eu-west"))
		next := s.get("/api/v1/incidents?limit=1").json()["next"].(string)
		Expect(s.get("/api/v1/incidents?limit=1&cursor=" + next).items()).To(HaveLen(1))
		s.get("/api/v1/incidents?source=eu-west&cursor="+next).refused(400, "cursor")
		s.get("/api/v1/history?cursor="+next).refused(400, "cursor")
	})
	It("goes on behind incidents of other regions, however many there are", func() {
		one := incident(1, "us-east")
		s, _ := serveAlerts(func(o *api.Options) { o.Alerting.Incidents = &sameRecord{record(one)} })
		a := s.get("/api/v1/incidents?source=eu-west")
		Expect(a.items()).To(BeEmpty())
		Expect(a.json()["next"]).NotTo(BeNil())
	})
})

var _ = Describe("GET /api/v1/incidents/:id", func() {
	of := func(n int) string { return fmt.Sprintf("/api/v1/incidents/00000000000000aa-%d", n) }
	type change struct{ at, field, from, to string }
	changes := func(v map[string]any) (all []change) {
		for _, one := range v["changes"].([]any) {
			m := one.(map[string]any)
			all = append(all, change{m["at"].(string)[11:19], m["source"].(string) + " " + m["field"].(string), fmt.Sprint(m["from"]), fmt.Sprint(m["to"])})
		}
		return all
	}
	It("tells what happened, and what changed in the value from a quarter of an hour before to one after", func() {
		s, _ := serveAlerts()
		s.keep(incident(60, "eu-west"))
		s.put(
			row("eu-west", `{"status":"ok","cpu":{"load":1},"tags":["a"]}`, 600),
			row("eu-west", `{"status":"ok","cpu":{"load":2},"tags":["a"]}`, 1200), // 00:20, long before
			row("eu-west", `{"status":"ok","cpu":{"load":99.50},"tags":["a"]}`, 45*60),
			row("us-east", `{"status":"error"}`, 59*60),
			row("eu-west", `{"status":"error","cpu":{"load":99.50},"tags":["a","b"],"note":"<x>"}`, 60*60),
			row("eu-west", `{"status":"ok","cpu":{"load":1},"tags":["a"]}`, 76*60),
			row("eu-west", `{"status":"ok","cpu":{"load":3},"tags":["a"]}`, 76*60+1),
		)
		v := s.get(of(60)).json()
		Expect(v).To(And(HaveKeyWithValue("incident", "00000000000000aa-60"), HaveKeyWithValue("moreChanges", false), HaveKeyWithValue("endedAt", "2026-11-01T01:01:00.000Z"),
			HaveKeyWithValue("events", HaveExactElements(HaveKeyWithValue("kind", "pending"), HaveKeyWithValue("kind", "firing"), And(HaveKeyWithValue("kind", "delivered"), HaveKeyWithValue("by", "webhook"))))))
		Expect(changes(v)).To(Equal([]change{
			{"00:45:00", "eu-west cpu.load", "2", "99.5"},
			{"01:00:00", "eu-west status", "ok", "error"},
			{"01:00:00", "eu-west tags", "[a]", "[a b]"},
			{"01:00:00", "eu-west note", "<nil>", "<x>"},
			{"01:16:00", "eu-west status", "error", "ok"},
			{"01:16:00", "eu-west cpu.load", "99.5", "1"},
			{"01:16:00", "eu-west tags", "[a b]", "[a]"},
			{"01:16:00", "eu-west note", "<x>", "<nil>"},
		}))
	})
	It("of all regions tells of all of them, and of one that goes on what changed until now", func() {
		s, _ := serveAlerts()
		all, on := incident(60, ""), incident(61, "eu-west")
		on.State, on.EndedAt = alert.Firing, nil
		s.keep(all, on)
		s.put(row("us-east", `1`, 59*60), row("eu-west", `{"a":1}`, 59*60), row("us-east", `2`, 60*60), row("eu-west", `{"a":2}`, 60*60), row("eu-west", `{"a":3}`, 20*24*3600))
		Expect(changes(s.get(of(60)).json())).To(Equal([]change{{"01:00:00", "us-east ", "1", "2"}, {"01:00:00", "eu-west a", "1", "2"}}))
		Expect(changes(s.get(of(61)).json())).To(HaveLen(2))
	})
	It("tells of 200 changes at most, and looks at 500 rows", func() {
		s, _ := serveAlerts()
		s.keep(incident(60, "eu-west"), incident(61, "us-east"))
		rows := make([]store.Metric, 0, 1000)
		for n := range 300 {
			rows = append(rows, row("eu-west", fmt.Sprintf(`{"n":%d}`, n), 60*60+n))
		}
		for n := range 510 {
			rows = append(rows, row("us-east", fmt.Sprintf(`{"n":%d}`, n/505), 60*60+n))
		}
		s.put(rows...)
		v := s.get(of(60)).json()
		Expect(v).To(HaveKeyWithValue("moreChanges", true))
		Expect(v["changes"]).To(HaveLen(200))
		v = s.get(of(61)).json()
		Expect(v).To(HaveKeyWithValue("moreChanges", true))
		Expect(v["changes"]).To(BeEmpty(), "the first one is in the 506th row")
	})
	It("does not repeat a text that is long", func() {
		s, _ := serveAlerts()
		s.keep(incident(60, "eu-west"))
		s.put(row("eu-west", `{"a":1}`, 60*60), row("eu-west", `{"a":"`+strings.Repeat("x", 2000)+`"}`, 60*60+1))
		Expect(s.get(of(60)).json()["changes"]).To(ConsistOf(And(HaveKeyWithValue("long", true), HaveKeyWithValue("field", "a"), Not(HaveKey("to")))))
	})
	It("is bounded whatever a value is", func() {
		s, _ := serveAlerts()
		s.keep(incident(60, "eu-west"))
		wide := make([]string, 6000)
		for i := range wide {
			wide[i] = fmt.Sprintf(`"k%d":%d`, i, i)
		}
		deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
		s.put(row("eu-west", `{"`+strings.Repeat("p", 600)+`":1}`, 60*60), row("eu-west", deep, 60*60+1), row("eu-west", `{`+strings.Join(wide, ",")+`}`, 60*60+2))
		v := s.get(of(60)).json()
		Expect(v).To(HaveKeyWithValue("moreChanges", true))
		Expect(v["changes"]).To(HaveLen(200))
	})
	It("is not there under another id or api", func() {
		s, _ := serveAlerts()
		s.keep(incident(60, "eu-west"))
		s.get(of(61)).refused(404, "00000000000000aa-61", "/api/v1/incidents")
		s.get("/api/v1/incidents/00000000000000AA-60").refused(404)
		s.get(of(60)+"?api=other").refused(404, "other")
		a := s.get(of(60))
		Expect(s.get(of(60), "If-None-Match", a.Header.Get("ETag")).StatusCode).To(Equal(http.StatusNotModified))
	})
})
