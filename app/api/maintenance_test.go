package api_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/api"
	"github.com/devops-insights/devops-insights/poller/alert/quiet"
	"github.com/devops-insights/devops-insights/store"
)

const window = `{"id":"move","title":"Move","regions":["EU-West"],"startsAt":"2026-11-26T22:00:00+01:00","endsAt":"1795752000","createdBy":"Jo"}`

var _ = Describe("maintenance", func() {
	It("is planned, listed and called off", func() {
		s, _ := serveAlerts()
		made := s.post("/api/v1/maintenance", window).object(201)
		Expect(made).To(And(HaveKeyWithValue("startsAt", "2026-11-26T21:00:00.000Z"), HaveKeyWithValue("endsAt", "2026-11-27T04:00:00.000Z"),
			HaveKeyWithValue("announceAt", "2026-11-26T20:00:00.000Z"), HaveKeyWithValue("state", "scheduled"), HaveKeyWithValue("regions", ConsistOf("eu-west"))))
		Expect(s.get("/api/v1/maintenance").items()).To(ConsistOf(made))
		Expect(s.post("/api/v1/maintenance", window).object(200)).To(Equal(made), "the request came again")
		s.post("/api/v1/maintenance", strings.Replace(window, "Move", "Stay", 1)).refused(409, "move")
		s.remove("/api/v1/maintenance/move").refused(400, "by")
		s.remove("/api/v1/maintenance/Move?by=Kim").refused(404, "Move")
		Expect(s.remove("/api/v1/maintenance/move?by=Kim").object(200)).To(And(HaveKeyWithValue("state", "ended"), HaveKeyWithValue("endedBy", "Kim")))
		Expect(s.get("/api/v1/maintenance").items()).To(BeEmpty())
		Expect(s.audited()).To(HaveExactElements(ContainSubstring("result=created"), ContainSubstring("result=unchanged"), ContainSubstring("result=refused"),
			ContainSubstring("result=refused"), ContainSubstring("result=refused"), And(ContainSubstring("action=end_maintenance"), ContainSubstring("result=ended"))))
	})
	It("is under way at once where it has no start, and announced when it says", func() {
		s, _ := serveAlerts()
		Expect(s.post("/api/v1/maintenance", `{"title":"Now","duration":"1h","announce":"0s","createdBy":"Jo"}`).object(201)).To(And(
			HaveKeyWithValue("state", "active"), HaveKeyWithValue("announceAt", "2026-11-25T10:00:00.000Z"), HaveKeyWithValue("endsAt", "2026-11-25T11:00:00.000Z"), Not(HaveKey("regions"))))
		Expect(s.post("/api/v1/maintenance", strings.Replace(window, `"createdBy"`, `"announce":"1d","createdBy"`, 1)).object(201)).To(HaveKeyWithValue("announceAt", "2026-11-25T21:00:00.000Z"))
	})
	It("of the settings is listed, and changed there alone", func() {
		s, _ := serveAlerts(func(o *api.Options) {
			q, err := quiet.New(quiet.Options{Store: o.Alerting.Incidents.(store.Records), Catalog: served, Now: o.Now, Logger: o.Logger, Planned: []quiet.Planned{
				{Name: "nightly", Title: "Backup", Start: now.Add(time.Hour), End: now.Add(2 * time.Hour)},
			}})
			Expect(err).NotTo(HaveOccurred())
			o.Alerting.Maintenance = q
		})
		Expect(s.get("/api/v1/maintenance?api=other").items()).To(ConsistOf(And(HaveKeyWithValue("id", "nightly"), HaveKeyWithValue("api", "other"), HaveKeyWithValue("settings", true))))
		s.remove("/api/v1/maintenance/nightly?by=Kim").refused(409, "settings", "nightly")
		s.post("/api/v1/maintenance", strings.Replace(window, `"move"`, `"nightly"`, 1)).refused(409, "nightly")
	})
	DescribeTable("that cannot be is refused", func(body string, parts ...string) {
		s, _ := serveAlerts()
		s.post("/api/v1/maintenance", body).refused(400, parts...)
		Expect(s.audited()).To(HaveLen(1))
	},
		Entry("an unknown member", `{"cron":"* * * * *"}`, "cron", "regions"),
		Entry("an unknown region", strings.Replace(window, "EU-West", "mars", 1), "maintenance was not planned", "mars", "eu-west"),
		Entry("no title", strings.Replace(window, `"Move"`, `""`, 1), "title"),
		Entry("a wrong time of the announcement", strings.Replace(window, `"createdBy"`, `"announce":"-1h","createdBy"`, 1), "announce", "-1h"),
		Entry("nobody", strings.Replace(window, `"Jo"`, `""`, 1), "createdBy"),
		Entry("no end", `{"title":"Move","createdBy":"Jo"}`, "endsAt", "duration"),
	)
})
