package program

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// lineOf is what the specs read of a line of the log.
type lineOf struct {
	Level, Msg, Region, Event, Address, Path string
	RequestID                                string `json:"request_id"`
}

// debug returns the lines of the level debug.
func debug(text string) (all []lineOf) {
	for line := range strings.Lines(text) {
		var l lineOf
		if json.Unmarshal([]byte(line), &l) == nil && l.Level == "debug" {
			all = append(all, l)
		}
	}
	return all
}

var _ = It("shows debug lines about one region for a while, without a restart", func() {
	internal := "127.0.0.1:" + freePort()
	s := startStored(6, time.Now().Add(-time.Minute), "INTERNAL_ADDR="+internal)
	change := func(method, body string) string {
		GinkgoHelper()
		r, err := http.NewRequestWithContext(context.Background(), method, "http://"+internal+"/loglevel", strings.NewReader(body))
		Expect(err).NotTo(HaveOccurred())
		resp, err := http.DefaultClient.Do(r)
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.StatusCode).To(Equal(200), string(text))
		return string(text)
	}
	Expect(debug(s.out.String())).To(BeEmpty())
	Expect(change(http.MethodPut, `{"level":"debug","region":"eu-west","for":"1h"}`)).To(ContainSubstring(`"region":"eu-west"`))
	c := s.dial()
	Expect(answer(c, "metrics:get", `{"source":"us-east"}`).Name).To(Equal("metrics:data"))
	Expect(answer(c, "metrics:get", `{"source":"eu-west"}`).Name).To(Equal("metrics:data"))
	Eventually(func() []lineOf { return debug(s.out.String()) }, "10s", "50ms").
		Should(ContainElement(And(HaveField("Event", "metrics:get"), HaveField("Address", "127.0.0.1"))))
	Expect(debug(s.out.String())).To(HaveEach(HaveField("Region", "eu-west")))
	Eventually(func() []lineOf { return debug(s.out.String()) }, "10s", "50ms").Should(ContainElement(HaveField("Msg", "a region was polled")))
	change(http.MethodDelete, "")
	questions := func() int { return strings.Count(s.out.String(), `"event":"metrics:get"`) }
	before := questions()
	Expect(answer(c, "metrics:get", `{"source":"eu-west"}`).Name).To(Equal("metrics:data"))
	Expect(questions()).To(Equal(before))

	By("the dashboard's error and the log share an id")
	change(http.MethodPut, `{"level":"debug","address":"127.0.0.1"}`)
	refused := answer(c, "metrics:get", `{"source":"mars"}`)
	Expect(refused.Name).To(Equal("metrics:error"))
	var told struct{ RequestID string }
	Expect(json.Unmarshal(refused.Payload, &told)).To(Succeed())
	Expect(told.RequestID).NotTo(BeEmpty())
	Eventually(func() []lineOf { return debug(s.out.String()) }, "10s", "50ms").Should(ContainElement(HaveField("RequestID", told.RequestID)))
	stop(s.cmd, "10s")
})
