package api_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/api"
	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/quiet"
)

var _ = Describe("silences", func() {
	It("are made, listed and ended", func() {
		s, _ := serveAlerts()
		made := s.post("/api/v1/silences", silence).object(201)
		Expect(made).To(And(HaveKeyWithValue("id", "deploy-17"), HaveKeyWithValue("endsAt", "2026-11-25T12:00:00.000Z"), HaveKeyWithValue("createdBy", "Jo"),
			HaveKeyWithValue("matchers", ConsistOf(map[string]any{"name": "region", "value": "eu-west", "isRegex": false, "isEqual": true}))))
		Expect(s.get("/api/v1/silences").items()).To(ConsistOf(made))
		Expect(s.get("/api/v1/silences?api=other").items()).To(BeEmpty())
		s.remove("/api/v1/silences/DEPLOY-17?by=Kim").refused(404, "DEPLOY-17")
		s.remove("/api/v1/silences/deploy-17?by=Kim&api=other").refused(404, "deploy-17", "other")
		s.remove("/api/v1/silences/deploy-17").refused(400, "by")
		Expect(s.remove("/api/v1/silences/deploy-17?by=Kim").object(200)).To(And(HaveKeyWithValue("endedBy", "Kim"), HaveKeyWithValue("endsAt", "2026-11-25T10:00:00.000Z")))
		s.remove("/api/v1/silences/deploy-17?by=Kim").object(200)
		Expect(s.get("/api/v1/silences").items()).To(BeEmpty())
		Expect(s.audited()).To(HaveExactElements(
			And(ContainSubstring("action=add_silence"), ContainSubstring("id=deploy-17"), ContainSubstring("who=Jo"), ContainSubstring("result=created")),
			And(ContainSubstring("action=end_silence"), ContainSubstring("id=DEPLOY-17"), ContainSubstring("who=Kim"), ContainSubstring("result=refused")),
			And(ContainSubstring("api=other"), ContainSubstring("result=refused")),
			ContainSubstring("result=refused"), ContainSubstring("result=ended"), ContainSubstring("result=unchanged")))
	})
	It("are made once however often the request with an id comes, and an id is one silence", func() {
		s, _ := serveAlerts()
		made := s.post("/api/v1/silences", silence).object(201)
		Expect(s.post("/api/v1/silences", silence).object(200)).To(Equal(made))
		Expect(s.get("/api/v1/silences").items()).To(HaveLen(1))
		s.post("/api/v1/silences", strings.Replace(silence, "2h", "3h", 1)).refused(409, "deploy-17")
		without := strings.Replace(silence, `"id":"deploy-17",`, "", 1)
		Expect(s.post("/api/v1/silences", without).object(201)["id"]).NotTo(Equal(s.post("/api/v1/silences", without).object(201)["id"]))
	})
	It("are answered with 503 while the store is away, and nothing of the inside", func() {
		s, _ := serveAlerts(func(o *api.Options) {
			words := keeper(away{}, o)
			o.Alerting.Silences, o.Alerting.Maintenance, o.Alerting.Acknowledgements = words, words, words
			o.Alerting.Incidents = away{}
		})
		for _, a := range []answer{
			s.post("/api/v1/silences", silence), s.remove("/api/v1/silences/x?by=Jo"), s.remove("/api/v1/maintenance/x?by=Jo"),
			s.post("/api/v1/maintenance", `{"title":"t","duration":"1h","createdBy":"Jo"}`), s.post("/api/v1/alerts/00000000000000aa/acknowledge", `{"by":"Jo"}`),
			s.get("/api/v1/incidents"), s.get("/api/v1/incidents/a-1"),
		} {
			a.refused(503, "at this moment: ask again later")
			Expect(a.body).NotTo(ContainSubstring("10.0.0.1"))
		}
		Expect(s.audited()).To(HaveLen(5))
		Expect(s.audited()).To(HaveEach(ContainSubstring("result=failed")))
	})
	It("do not wait without an end for each other", func() {
		slow := &stuck{entered: make(chan struct{}), goOn: make(chan struct{})}
		s, _ := serveAlerts(func(o *api.Options) {
			o.MaxQuestions, o.Wait = 1, time.Millisecond
			slow.keeping, o.Alerting.Silences = o.Alerting.Silences, slow
		})
		first := make(chan answer)
		go func() {
			defer GinkgoRecover()
			first <- s.post("/api/v1/silences", silence)
		}()
		Eventually(slow.entered, "15s").Should(BeClosed())
		s.post("/api/v1/silences", silence).refused(503, "Too many")
		s.get("/api/v1/history").json()
		close(slow.goOn)
		Expect((<-first).StatusCode).To(Equal(201))
	})
})

type keeping = api.Silences

// stuck lets the first silence wait.
type stuck struct {
	keeping
	entered, goOn chan struct{}
}

func (s *stuck) AddSilence(ctx context.Context, of string, n quiet.NewSilence, who quiet.Who) (alert.Silence, bool, error) {
	close(s.entered)
	<-s.goOn
	return s.keeping.AddSilence(ctx, of, n, who)
}
