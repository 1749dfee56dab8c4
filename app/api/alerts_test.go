package api_test

import (
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/api"
	"github.com/devops-insights/devops-insights/poller/alert"
)

var _ = Describe("GET /api/v1/alerts", func() {
	It("lists the alerts of an api, of a region, and of a state", func() {
		s, _ := serveAlerts()
		ids := func(query string) (all []string) {
			for _, one := range s.get("/api/v1/alerts" + query).items() {
				all = append(all, one["id"].(string)[14:])
			}
			return all
		}
		Expect(ids("")).To(Equal([]string{"aa", "bb", "cc"}))
		Expect(ids("?source=EU-West")).To(Equal([]string{"aa"}))
		Expect(ids("?state=pending")).To(Equal([]string{"bb"}))
		Expect(ids("?state=resolved&source=us-east")).To(BeEmpty())
		Expect(ids("?api=other")).To(BeEmpty())
		s.get("/api/v1/alerts?state=burning").refused(400, "burning", "firing, pending, resolved")
		s.get("/api/v1/alerts?source=mars").refused(404, "mars")
		s.get("/api/v1/alerts?region=eu-west").refused(400, "region", "source")
		a := s.get("/api/v1/alerts")
		Expect(s.get("/api/v1/alerts", "If-None-Match", a.Header.Get("ETag")).StatusCode).To(Equal(http.StatusNotModified))
	})
	It("says since when nothing new is heard", func() {
		s, shown := serveAlerts()
		Expect(s.get("/api/v1/alerts").json()).To(HaveKeyWithValue("staleSince", BeNil()))
		shown.failing = now
		Expect(s.get("/api/v1/alerts").json()).To(HaveKeyWithValue("staleSince", "2026-11-25T10:00:00.000Z"))
	})
	DescribeTable("is 503 with a sentence where alerting is not there, or not ready", func(change func(*api.Options)) {
		s, _ := serveAlerts(change)
		for _, path := range []string{"alerts", "incidents", "incidents/x-1", "silences", "maintenance"} {
			a := s.get("/api/v1/" + path)
			a.refused(503, "ask again later")
			Expect(a.Header.Get("Retry-After")).NotTo(BeEmpty())
		}
		s.post("/api/v1/silences", silence).refused(503, "ask again later")
		s.remove("/api/v1/silences/x?by=Jo").refused(503, "ask again later")
		s.remove("/api/v1/maintenance/x?by=Jo").refused(503, "ask again later")
		s.post("/api/v1/maintenance", `{"title":"t","duration":"1h","createdBy":"Jo"}`).refused(503, "ask again later")
		s.post("/api/v1/alerts/00000000000000aa/acknowledge", `{"by":"Jo"}`).refused(503, "ask again later")
		Expect(s.audited()).To(HaveLen(5))
	},
		Entry("not there", func(o *api.Options) { o.Alerting = api.Alerting{Token: token} }),
		Entry("not ready", func(o *api.Options) { o.Alerting.Ready = func() bool { return false } }),
	)
})

var _ = Describe("POST /api/v1/alerts/:id/acknowledge", func() {
	It("notes who has taken an alert on that fires, by its id or that of its incident", func() {
		s, _ := serveAlerts()
		for _, id := range []string{"00000000000000aa", "00000000000000aa-1"} {
			a := s.post("/api/v1/alerts/"+id+"/acknowledge", `{"by":"Jo","comment":"on it"}`).object(200)
			Expect(a).To(And(HaveKeyWithValue("incident", "00000000000000aa-1"), HaveKeyWithValue("acknowledged", map[string]any{"by": "Jo", "comment": "on it", "at": "2026-11-25T10:00:00.000Z"})))
		}
		Expect(s.audited()).To(HaveExactElements(
			And(ContainSubstring("action=acknowledge"), ContainSubstring("who=Jo"), ContainSubstring("id=00000000000000aa-1"), ContainSubstring("result=acknowledged")),
			ContainSubstring("result=unchanged")))
	})
	It("is refused for what does not fire, or is not there", func() {
		s, shown := serveAlerts()
		s.post("/api/v1/alerts/00000000000000bb/acknowledge", `{"by":"Jo"}`).refused(409, "00000000000000bb", "does not fire")
		s.post("/api/v1/alerts/00000000000000cc-1/acknowledge", `{"by":"Jo"}`).refused(409, "does not fire")
		s.post("/api/v1/alerts/00000000000000AA/acknowledge", `{"by":"Jo"}`).refused(404, "00000000000000AA", "/api/v1/alerts")
		s.post("/api/v1/alerts/00000000000000aa/acknowledge?api=other", `{"by":"Jo"}`).refused(404, "other")
		s.post("/api/v1/alerts/00000000000000aa/acknowledge", `{}`).refused(400, "by")
		s.post("/api/v1/alerts/00000000000000aa/acknowledge", `{"by":"Jo","at":"now"}`).refused(400, "at", "comment")
		Expect(s.audited()).To(HaveLen(6))
		over := shown.all[0]
		s.keep(over)
		shown.all = nil
		s.post("/api/v1/alerts/"+over.Incident+"/acknowledge", `{"by":"Jo"}`).refused(409, "does not fire")
	})
	It("means the one that fires where an older one of the same rule is shown too", func() {
		s, shown := serveAlerts()
		older := example("00000000000000aa", "eu-west", alert.Resolved)
		shown.all[0].Incident = "00000000000000aa-2"
		shown.all = append([]alert.Alert{older}, shown.all...)
		Expect(s.post("/api/v1/alerts/00000000000000aa/acknowledge", `{"by":"Jo"}`).object(200)).To(HaveKeyWithValue("incident", "00000000000000aa-2"))
		s.post("/api/v1/alerts/00000000000000aa-1/acknowledge", `{"by":"Jo"}`).refused(409)
	})
})
