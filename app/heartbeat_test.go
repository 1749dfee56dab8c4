package app

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/network"
)

var _ = DescribeTable("the heartbeat", func(p health.Part, sentence string) {
	if sentence == "" {
		Expect(unhealthy([]health.Part{p})).To(BeEmpty())
		return
	}
	Expect(unhealthy([]health.Part{{Name: "log", State: health.OK}, p})).To(Equal([]string{sentence}))
},
	Entry("goes on while a part is well", health.Part{Name: "store_read", State: health.OK}, ""),
	Entry("goes on where somebody should look", health.Part{Name: "disk", State: health.Degraded, Class: "DISK_FULL"}, ""),
	Entry("goes on while a part starts", health.Part{Name: "store_write", State: health.Unknown, Starting: true}, ""),
	Entry("says which part is down", health.Part{Name: "store_write", State: health.Down, Message: "the disk is full"}, "store_write is down: the disk is full"),
	Entry("says which part is silent", health.Part{Name: "lease", State: health.Unknown}, "lease is unknown"),
	Entry("says that our own network fails", health.Part{Name: "network", State: health.Down, Message: "no upstream answers"}, "network is down: no upstream answers"),
	Entry("goes on while an upstream is down", health.Part{Name: "upstream:eu-west", State: health.Down, Class: "TIMEOUT"}, ""),
	Entry("leaves the network to its own part", health.Part{Name: "upstream:eu-west", State: health.Unknown, Class: network.ClassFailing}, ""),
	Entry("says which region is not polled", health.Part{Name: "upstream:beta:eu-west", State: health.Unknown, Class: health.ClassSilent}, "the region beta:eu-west is not polled in time"),
	Entry("says which polls end with a fault", health.Part{Name: "upstream:eu-west", State: health.Unknown, Class: "PANIC", Message: "a fault"}, "upstream:eu-west is unknown: a fault"),
	Entry("gives a region time for its first poll", health.Part{Name: "upstream:eu-west", State: health.Unknown, Class: health.ClassSilent, Starting: true}, ""),
)

var _ = Describe("our own network", func() {
	It("has its place on the board", func() {
		Expect(networkReport(network.Status{Witnesses: 2})).To(Equal(well()))
		r := networkReport(network.Status{Failing: true, Since: moment(), Witnesses: 2})
		Expect([]string{string(r.State), r.Class}).To(Equal([]string{"down", "NO_NETWORK"}))
		Expect(r.Message).To(ContainSubstring("since 2026-01-02T03:04:05.000Z"))
	})

	It("leaves open how an upstream is that it does not reach", func() {
		r := upstreamReport(poller.Result{Err: &poller.Error{Code: poller.CodeTimeout}, Unwatched: true, Ended: time.Now()})
		Expect([]string{string(r.State), r.Class}).To(Equal([]string{"unknown", "NO_NETWORK"}))
	})
})
