package app

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/devops-insights/devops-insights/app/config"
)

var _ = Describe("a fault in a goroutine of the program", func() {
	var (
		a    *App
		logs *logtest.Hook
	)
	BeforeEach(func() {
		var log *logrus.Logger
		log, logs = logtest.NewNullLogger()
		c := config.Default()
		c.Host, c.Port, c.DataDir = "127.0.0.1", 0, GinkgoT().TempDir()
		var err error
		a, err = New(context.Background(), Options{Config: c, Logger: log})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { _ = a.Stop() })
	})
	withStack := func() (n int) {
		for _, e := range logs.AllEntries() {
			if _, found := e.Data["stack"]; found {
				n++
			}
		}
		return n
	}

	It("ends the program in order where it cannot go on without the part, and is logged once with its stack", func() {
		a.background("part", func(context.Context) error { panic("oh no") })
		ended := make(chan error, 1)
		go func() { ended <- a.Run(context.Background()) }()
		var err error
		Eventually(ended, "10s").Should(Receive(&err))
		Expect(err).To(MatchError(And(ContainSubstring("part ended"), ContainSubstring("oh no"))))
		Expect(errors.Is(err, errPanic)).To(BeTrue())
		Expect(withStack()).To(Equal(1))
		Expect(a.panics.Load()).To(BeEquivalentTo(1))
	})

	It("ends only the request that it happened in", func() {
		h := a.recoverRequest(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oh no") }))
		server := httptest.NewServer(h)
		DeferCleanup(server.Close)
		for range 2 {
			resp, err := http.Get(server.URL)
			if err == nil {
				_ = resp.Body.Close()
			}
			Expect(err).To(HaveOccurred())
		}
		Expect(withStack()).To(Equal(2))
		resp, err := http.Get("http://" + a.Addr() + "/livez")
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
	})

	It("is survived where the part only reports", func() {
		a.report("nobody", func(context.Context) error { panic("oh no") })
		Eventually(a.panics.Load).Should(BeEquivalentTo(1))
		Eventually(withStack).Should(Equal(1))
		Consistently(a.failed, 50*time.Millisecond).ShouldNot(Receive())
	})
})
