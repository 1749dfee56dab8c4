package mongostore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store/netfault"
	"github.com/devops-insights/devops-insights/test/wire"
)

var _ = It("tells how reading, writing and the change stream are doing, within a moment of a fault and of its end", func(ctx SpecContext) {
	server := wire.Start(GinkgoTB())
	proxy := server.Through(GinkgoTB())
	s := open(proxy.URI(server.Database(fmt.Sprintf("health_%d", os.Getpid()))), func(o *Options) { o.Answer = time.Second })
	h := follow(s)
	Eventually(func() time.Time { return s.Stream().Opened }, "20s").ShouldNot(BeZero())
	Expect(s.CheckRead(ctx, "acme", "eu-west")).To(Succeed(), "nothing is stored yet")
	save(s, "eu-west", 1)
	Expect(s.CheckRead(ctx, "acme", "eu-west")).To(Succeed())
	Expect(s.CheckWrite(ctx)).To(Succeed())
	Eventually(h.all, "20s").Should(HaveLen(1))
	Eventually(func() time.Time { return s.Stream().Awaited }, "10s").Should(BeZero(), "the stream has brought it")
	Expect(time.Since(s.Stream().Answered)).To(BeNumerically("<", 10*time.Second))
	Expect(s.Stream().Err).NotTo(HaveOccurred())

	By("no connection comes about any more")
	proxy.Cut()
	Eventually(func() error { return s.Stream().Err }, "10s").Should(HaveOccurred())
	Expect(s.Stream().Opened).To(BeZero())
	for _, check := range []func(context.Context) error{
		s.CheckWrite,
		func(ctx context.Context) error { return s.CheckRead(ctx, "acme", "eu-west") },
	} {
		var away *UnreachableError
		short, cancel := context.WithTimeout(ctx, time.Second)
		Expect(errors.As(check(short), &away)).To(BeTrue())
		cancel()
		Expect(away.ErrorClass()).To(BeElementOf(netfault.Reset, netfault.Timeout, netfault.Refused))
		Expect(away.Error()).NotTo(BeEmpty())
	}
	proxy.Heal()
	Eventually(func() error { return s.Stream().Err }, "20s").Should(Succeed())

	By("a connection that is silent without being closed")
	save(s, "eu-west", 2)
	Eventually(h.all, "20s").Should(HaveLen(2))
	proxy.Silence()
	opened := s.Stream().Opened
	Eventually(func() time.Time { return s.Stream().Opened }, "10s").Should(BeTemporally(">", opened), "it is opened anew")
	save(s, "eu-west", 3)
	Eventually(h.all, "20s").Should(HaveLen(3))
})

var _ = It("knows of a change that the stream does not bring", func() {
	var h streaming
	at := region{"acme", "eu-west"}
	now := func() time.Time { s := Store{}; s.streaming.awaited = h.awaited; return s.Stream().Awaited }
	h.await(at)(true)
	Expect(now()).To(BeZero(), "there is no stream")
	h.open()
	written := h.await(at)
	Expect(now()).NotTo(BeZero())
	h.brought(at)
	written(true)
	Expect(now()).To(BeZero(), "the stream was faster than the answer to the write")
	h.await(at)(false)
	Expect(now()).To(BeZero(), "nothing was stored")
	h.await(at)(true)
	first := now()
	Expect(first).NotTo(BeZero())
	h.await(at)(true)
	Expect(now()).To(Equal(first), "the oldest counts")
	h.brought(at)
	Expect(now()).To(BeZero())
})
