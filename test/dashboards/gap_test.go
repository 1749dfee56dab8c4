package dashboards

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/kit"
)

var _ = Describe("a change between a dashboard's question and its subscription", func() {
	var server *kit.Server
	// change sets a value and waits until a dashboard has been sent it.
	var change func(value string)

	BeforeEach(func() {
		server = kit.Start(GinkgoT())
		watcher := server.Connect()
		watcher.Subscribe("eu-west")
		change = func(value string) {
			GinkgoHelper()
			server.Upstream.Set("eu-west", value)
			for {
				if strings.Contains(watcher.Next().Frame, value) {
					return
				}
			}
		}
		change(`{"n":1}`)
	})

	ask := func(d *kit.Client) string {
		GinkgoHelper()
		d.Emit("metrics:get", map[string]string{})
		e := d.Next()
		Expect(e.Name).To(Equal("metrics:data"))
		return e.Frame
	}

	It("reaches it with the subscription, once", func() {
		d := server.Connect()
		Expect(ask(d)).To(ContainSubstring(`{"n":1}`))
		change(`{"n":2}`)
		d.Emit("metrics:subscribe", map[string]string{"source": "eu-west"})
		e := d.Next()
		Expect(e.Name).To(Equal("metrics-update"))
		Expect(e.Frame).To(ContainSubstring(`{"n":2}`))
		d.Subscribe("eu-west")
		d.Emit("metrics:unsubscribe", map[string]string{"source": "eu-west"})
		d.Emit("metrics:subscribe", map[string]string{"source": "eu-west"})
		Expect(d.Sync()).To(BeEmpty())
		change(`{"n":3}`)
		Expect(d.Next().Frame).To(ContainSubstring(`{"n":3}`))
		Expect(d.Sync()).To(BeEmpty())
	})

	It("is not sent to one that knows it, or has asked nothing", func() {
		knows, fresh := server.Connect(), server.Connect()
		change(`{"n":2}`)
		Expect(ask(knows)).To(ContainSubstring(`{"n":2}`))
		for _, d := range []*kit.Client{knows, fresh} {
			d.Emit("metrics:subscribe", map[string]string{"source": "eu-west"})
			Expect(d.Sync()).To(BeEmpty())
		}
	})
})

var _ = It("an upstream's bytes that are not UTF-8 reach dashboards as U+FFFD, on every way", func() {
	server := kit.Start(GinkgoT())
	server.Upstream.Set("eu-west", "{\"city\":\"S\xe3o\"}")
	const want = "{\"city\":\"S\ufffdo\"}"
	d := server.Connect()
	Eventually(func() string {
		d.Emit("metrics:get", map[string]string{})
		return d.Next().Frame
	}, "10s").Should(ContainSubstring(want))
	d.Emit("metrics:getHistory", map[string]string{"source": "eu-west"})
	Expect(d.Next().Frame).To(ContainSubstring(want))
	d.Subscribe("eu-west")
	server.Upstream.Set("eu-west", "{\"city\":\"\xed\xa0\x80\"}")
	Expect(d.Next().Frame).To(ContainSubstring("{\"city\":\"\ufffd\ufffd\ufffd\"}"))
})
