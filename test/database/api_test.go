package database

import (
	"encoding/json"
	"io"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/wire"
)

var _ = Describe("the HTTP API on MongoDB", func() {
	It("pages through the history, answers questions about the past, and says when the database is away", func() {
		db := wire.Start(GinkgoTB())
		s := on(db.Database("api"), nil)
		dashboard := s.Connect()
		dashboard.Subscribe("eu-west")
		for n := 1; n <= 4; n++ {
			set(s.Upstream, n)
			Eventually(func() []int { return updates(dashboard) }, "20s").Should(ContainElement(n))
		}
		get := func(path string) (*http.Response, string) {
			GinkgoHelper()
			resp, err := http.Get(s.URL + path)
			Expect(err).NotTo(HaveOccurred())
			defer func() { _ = resp.Body.Close() }()
			body, err := io.ReadAll(resp.Body)
			Expect(err).NotTo(HaveOccurred())
			return resp, string(body)
		}
		type page struct {
			Items []struct{ Data struct{ N int } }
			Next  string
		}
		for order, want := range map[string][]int{"asc": {1, 2, 3, 4}, "desc": {4, 3, 2, 1}} {
			var all []int
			for cursor := ""; len(all) < 10; {
				resp, body := get("/api/v1/history?source=eu-west&limit=3&order=" + order + "&cursor=" + cursor)
				Expect(resp.StatusCode).To(Equal(http.StatusOK), body)
				var p page
				Expect(json.Unmarshal([]byte(body), &p)).To(Succeed())
				for _, item := range p.Items {
					all = append(all, item.Data.N)
				}
				if cursor = p.Next; cursor == "" {
					break
				}
			}
			Expect(all).To(Equal(want))
		}
		resp, body := get("/api/v1/history?source=eu-west&format=csv&fields=n")
		Expect(resp.StatusCode).To(Equal(http.StatusOK), body)
		Expect(body).To(HavePrefix("api,source,createdAt,updatedAt,data.n\r\nacme,eu-west,"))
		Eventually(func() string {
			_, body := get("/api/v1/uptime?source=eu-west&window=1h")
			return body
		}, "20s").Should(ContainSubstring(`"uptime":100,`))
		_, body = get("/api/v1/series?source=eu-west&field=n&step=1h&agg=max")
		Expect(body).To(ContainSubstring(`"value":4}`))
		_, body = get("/api/v1/report?month=2001-01&format=csv")
		Expect(body).To(HavePrefix("month,source,"))

		db.Kill()
		for _, path := range []string{"/history", "/series?source=eu-west&field=n", "/uptime", "/badge/eu-west/status.svg", "/report?month=2001-01"} {
			Eventually(func(g Gomega) {
				resp, body := get("/api/v1" + path)
				g.Expect(resp.StatusCode).To(Equal(http.StatusServiceUnavailable), path)
				g.Expect(resp.Header.Get("Retry-After")).To(Equal("5"))
				g.Expect(body).To(MatchRegexp(`^\{"error":"[^"]+"\}$`))
			}, "60s", "200ms").Should(Succeed())
		}
	})
})
