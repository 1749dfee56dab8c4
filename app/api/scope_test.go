package api_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/api"
	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("the parameter api", func() {
	// both has rows and an interval of eu-west of either API.
	both := func(change ...func(*api.Options)) *service {
		GinkgoHelper()
		s := polled(change...)
		begin := int(now.Sub(epoch).Seconds()) - 3600
		other := row("eu-west", `{"status":"warning","n":7}`, begin)
		other.API = "other"
		s.put(other)
		Expect(s.PutOutcomes(context.Background(), 1, []store.Interval{
			{API: "other", Source: "eu-west", From: now.Add(-30 * time.Minute), To: now.Add(-10 * time.Second), Until: now.Add(10 * time.Second), State: store.StateDegraded, Polls: 1},
		})).To(Succeed())
		return s
	}

	It("chooses the API of every question; without it the first is meant", func() {
		s := both()
		names := func(path string) []any {
			GinkgoHelper()
			v := s.get(path).json()
			n := 0
			for _, list := range []string{"items", "points", "regions"} {
				if all, ok := v[list].([]any); ok {
					n = len(all)
				}
			}
			return []any{v["api"], n}
		}
		Expect(names("/api/v1/history")).To(Equal([]any{"acme", 2}))
		Expect(names("/api/v1/history?api=")).To(Equal([]any{"acme", 2}))
		Expect(names("/api/v1/history?api=Other&source=EU-West")).To(Equal([]any{"other", 1}))
		Expect(names("/api/v1/uptime")).To(Equal([]any{"acme", 6}))
		Expect(names("/api/v1/uptime?api=other")).To(Equal([]any{"other", 2}))
		Expect(names("/api/v1/report?month=2026-11&api=other")).To(Equal([]any{"other", 2}))
		const series = "/api/v1/series?source=eu-west&field=n&from=2026-11-25T09:50:00Z&to=2026-11-25T09:51:00Z&step=1m&agg=last"
		Expect(s.get(series).body).To(ContainSubstring(`"value":3}`))
		Expect(s.get(series + "&api=other").body).To(ContainSubstring(`"value":7}`))
		Expect(s.get("/api/v1/badge/eu-west/status.svg").body).To(ContainSubstring("eu-west: up"))
		Expect(s.get("/api/v1/badge/eu-west/status.svg?api=other").body).To(ContainSubstring("eu-west: degraded"))
		Expect(s.get("/api/v1/badge/mars_1/uptime/24h.svg?api=other").body).To(ContainSubstring("unknown"))
	})

	It("is refused where there is none of the name, and so is a region of another one", func() {
		s := both()
		for _, path := range []string{"history", "uptime", "series?field=n&source=eu-west", "report", "badge/eu-west/status.svg", "badge/eu-west/uptime/7d.svg"} {
			sign := "?"
			if strings.Contains(path, sign) {
				sign = "&"
			}
			a := s.get("/api/v1/" + path + sign + "api=mars")
			a.refused(404, `no api "mars"`, "acme, other")
			var v struct{ Allowed []string }
			Expect(json.Unmarshal([]byte(a.body), &v)).To(Succeed())
			Expect(v.Allowed).To(Equal([]string{"acme", "other"}))
		}
		s.get("/api/v1/history?api=other&source=us-east").refused(404, `no region "us-east"`, "eu-west, mars_1")
		s.get("/api/v1/history?api=acme&api=other").refused(400, "2 times")
	})

	It("stays in the address of the next page, whose cursor is of one API", func() {
		s := both()
		s.fill(3)
		a := s.get("/api/v1/history?api=acme&limit=1")
		Expect(a.Header.Get("Link")).To(ContainSubstring("api=acme"))
		next, _ := a.json()["next"].(string)
		Expect(s.get("/api/v1/history?limit=1&cursor=" + next).StatusCode).To(Equal(200))
		s.get("/api/v1/history?api=other&limit=1&cursor="+next).refused(400, "same api")
	})

	It("follows the catalog as it is at the time of the question", func() {
		var catalog atomic.Pointer[store.Catalog]
		all := served()
		catalog.Store(&all)
		s := both(func(o *api.Options) { o.Catalog = func() store.Catalog { return *catalog.Load() } })
		Expect(s.get("/api/v1/history?api=other").StatusCode).To(Equal(200))
		first := all[:1]
		catalog.Store(&first)
		s.get("/api/v1/history?api=other").refused(404, "acme")
		last := all[1:]
		catalog.Store(&last)
		Expect(s.get("/api/v1/history").json()).To(HaveKeyWithValue("api", "other"))
	})
})
