package contract

import (
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/test/kit"
)

var _ = Describe("questions about the past", func() {
	var s *kit.Server
	BeforeEach(func() {
		s = kit.Start(GinkgoT())
		for _, region := range store.Regions() {
			s.Upstream.Fail(region, http.StatusNotFound)
		}
		s.Upstream.Set("us-east", `{"status":"ok","n":4}`)
	})

	It("are answered from what was polled", func() {
		c := s.Connect()
		type uptime struct {
			Regions []struct {
				Source    string
				Uptime    *float64
				Incidents []struct{ Reason string }
			}
		}
		Eventually(func(g Gomega) {
			c.Emit("metrics:getUptime", map[string]any{"window": "1h"})
			e := c.Next()
			g.Expect(e.Frame).To(HavePrefix(`42["metrics:uptime",{"api":"acme","window":"1h",`))
			var u uptime
			payload(e.Frame, &u)
			g.Expect(u.Regions).To(HaveLen(6))
			g.Expect(u.Regions[0].Uptime).To(HaveValue(Equal(100.0)))
			g.Expect(u.Regions[1].Uptime).To(HaveValue(Equal(0.0)))
			g.Expect(u.Regions[1].Incidents).To(HaveLen(1))
			g.Expect(u.Regions[1].Incidents[0].Reason).To(Equal("HTTP_404"))
		}, "30s", "100ms").Should(Succeed())
		Eventually(func() string {
			c.Emit("metrics:getSeries", map[string]any{"source": "US-East", "field": "data.n", "step": "1h", "agg": "max"})
			return c.Next().Frame
		}, "30s", "100ms").Should(And(HavePrefix(`42["metrics:series",{"api":"acme","source":"us-east","field":"n","agg":"max",`), ContainSubstring(`"value":4}`)))
	})

	It("of any kind are answered, once each", func() {
		c := s.Connect()
		for _, question := range []string{
			`42["metrics:getSeries"]`, `42["metrics:getSeries",null]`, `42["metrics:getSeries",[]]`, `42["metrics:getSeries",7,{}]`,
			`42["metrics:getSeries",{"source":{"$ne":""},"field":"n"}]`, `42["metrics:getSeries",{"source":["us-east"],"field":"n"}]`,
			`42["metrics:getSeries",{"source":"us-east"}]`, `42["metrics:getSeries",{"source":"us-east","field":{"$gt":""}}]`,
			`42["metrics:getSeries",{"source":"us-east","field":"` + strings.Repeat("x", 100_000) + `"}]`,
			`42["metrics:getSeries",{"source":"us-east","field":"n","step":"1ms"}]`, `42["metrics:getSeries",{"source":"us-east","field":"n","step":1e-300}]`,
			`42["metrics:getSeries",{"source":"us-east","field":"n","from":-8.64e15,"to":8.64e15,"step":1}]`,
			`42["metrics:getSeries",{"source":"us-east","field":"n","from":5,"to":4}]`, `42["metrics:getSeries",{"source":"us-east","field":"n","from":{}}]`,
			`42["metrics:getSeries",{"source":"us-east","field":"n","agg":"\u0000"}]`, `42["metrics:getSeries",{"source":"us-east","field":"n","from":"NaN"}]`,
			`42["metrics:getUptime",{"source":5}]`, `42["metrics:getUptime",{"source":"mars"}]`, `42["metrics:getUptime",{"window":30}]`,
			`42["metrics:getUptime",{"window":{"$gt":1}}]`, `42["metrics:getUptime",{"window":"-1d"}]`, `42["metrics:getUptime",{"window":"1..0"}]`,
			`42["metrics:getUptime",{"window":"` + strings.Repeat("9", 100_000) + `d"}]`,
		} {
			c.Send(question)
			Expect(c.Next().Frame).To(HavePrefix(`42["metrics:error",{"message":"`), question[:min(len(question), 200)])
		}
		Expect(c.Sync()).To(BeEmpty())
		for _, question := range []string{`42["metrics:getUptime"]`, `42["metrics:getUptime",null]`, `42["metrics:getUptime",{"source":"","window":""}]`} {
			c.Send(question)
			Expect(c.Next().Frame).To(HavePrefix(`42["metrics:uptime",{"api":"acme","window":"24h",`), question)
		}
	})
})
