package alerts

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/kit"
)

const (
	firing   = "firing region-down eu-west"
	resolved = "resolved region-down eu-west"
)

var _ = Describe("with one variable set", func() {
	It("a region that is down for three polls is told once, and its end once", func() {
		upstream, hook := kit.NewUpstream(GinkgoTB()), newReceiver()
		run(GinkgoT().TempDir(), upstream, "ALERT_WEBHOOK_URL="+hook.server.URL+"/secret-path")
		polled(upstream, "eu-west", 4)
		upstream.Fail("eu-west", 503)
		hook.hears(firing)
		polled(upstream, "eu-west", 6)
		upstream.Set("eu-west", `{"status":"ok"}`)
		hook.hears(firing, resolved)
		polled(upstream, "eu-west", 6)
		Expect(hook.heard()).To(HaveLen(2))
		Expect(hook.tried()).To(Equal(2))
		first, last := hook.messages()[0], hook.messages()[1]
		Expect(first.Version).To(Equal("4"))
		Expect(first.Alerts[0].Labels).To(And(HaveKeyWithValue("api", "acme"), HaveKeyWithValue("severity", "critical")))
		Expect(first.Alerts[0].Annotations).To(HaveKeyWithValue("summary", ContainSubstring("eu-west")))
		Expect(last.Alerts[0].Fingerprint).To(Equal(first.Alerts[0].Fingerprint))
		Expect(last.Alerts[0].StartsAt).To(Equal(first.Alerts[0].StartsAt))
		Expect(last.Alerts[0].EndsAt).To(BeTemporally(">", last.Alerts[0].StartsAt))
	})

	It("an outage shorter than that is told to nobody", func() {
		upstream, hook := kit.NewUpstream(GinkgoTB()), newReceiver()
		run(GinkgoT().TempDir(), upstream, "ALERT_WEBHOOK_URL="+hook.server.URL)
		var mu sync.Mutex
		n := 0
		upstream.Handle("eu-west", func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if n++; n%3 != 0 { // two failures, one answer
				w.WriteHeader(500)
				return
			}
			_, _ = fmt.Fprint(w, `{"status":"ok"}`)
		})
		polled(upstream, "eu-west", 20)
		Expect(hook.tried()).To(BeZero())
	})
})

// A step of sending at which the process is killed.
type step struct {
	name string
	// at answers the receiver's side of a message; kill kills the process.
	at func(w http.ResponseWriter, take, kill func())
}

var steps = []step{
	{"before the receiver has read the message", func(_ http.ResponseWriter, _, kill func()) { kill() }},
	{"when the receiver has taken it and has not said so", func(_ http.ResponseWriter, take, kill func()) {
		take()
		kill()
	}},
	{"right after the receiver has said so", func(w http.ResponseWriter, take, kill func()) {
		take()
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		kill()
	}},
	{"after the receiver has failed", func(w http.ResponseWriter, _, kill func()) {
		w.WriteHeader(500)
		_ = http.NewResponseController(w).Flush()
		kill()
	}},
}

var _ = Describe("a process that is killed with -9", func() {
	for _, s := range steps {
		It("repeats and loses no message: "+s.name, func() {
			upstream, hook, dir := kit.NewUpstream(GinkgoTB()), newReceiver(), GinkgoT().TempDir()
			start := func() *instance { return run(dir, upstream, "ALERT_WEBHOOK_URL="+hook.server.URL) }
			// dies lets the next message kill the process, and starts another.
			dies := func(now *instance, cause func()) *instance {
				over := make(chan struct{})
				var once sync.Once
				hook.does(func(w http.ResponseWriter, _ string, take func()) {
					s.at(w, take, func() {
						once.Do(func() {
							now.Kill().Wait("10s")
							close(over)
						})
					})
				})
				cause()
				Eventually(over, "40s").Should(BeClosed())
				hook.does(nil)
				return start()
			}
			now := start()
			polled(upstream, "eu-west", 3)
			now = dies(now, func() { upstream.Fail("eu-west", 503) })
			hook.hears(firing)
			polled(upstream, "eu-west", 5)
			dies(now, func() { upstream.Set("eu-west", `{"status":"ok"}`) })
			hook.hears(firing, resolved)
			polled(upstream, "eu-west", 5)
			Expect(hook.heard()).To(Equal([]string{firing, resolved}))
		})
	}

	It("at any moment of an outage, five times", func() {
		upstream, hook, dir := kit.NewUpstream(GinkgoTB()), newReceiver(), GinkgoT().TempDir()
		var want []string
		for range 5 {
			now := run(dir, upstream, "ALERT_WEBHOOK_URL="+hook.server.URL)
			polled(upstream, "eu-west", 2)
			upstream.Fail("eu-west", 503)
			polled(upstream, "eu-west", 2) // it may be pending, or fire, or neither
			now.Kill().Wait("10s")
			now = run(dir, upstream, "ALERT_WEBHOOK_URL="+hook.server.URL)
			want = append(want, firing)
			hook.hears(want...)
			now.Kill().Wait("10s")
			upstream.Set("eu-west", `{"status":"ok"}`)
			now = run(dir, upstream, "ALERT_WEBHOOK_URL="+hook.server.URL)
			want = append(want, resolved)
			hook.hears(want...)
			now.Kill().Wait("10s")
		}
	})
})

var _ = Describe("a receiver", func() {
	var upstream *kit.Upstream
	var hook *receiver
	BeforeEach(func() {
		upstream, hook = kit.NewUpstream(GinkgoTB()), newReceiver()
		run(GinkgoT().TempDir(), upstream, "ALERT_WEBHOOK_URL="+hook.server.URL)
		polled(upstream, "eu-west", 3)
	})
	// outage goes by while the receiver does not take anything.
	outage := func() {
		upstream.Fail("eu-west", 503)
		before := hook.tried()
		Eventually(hook.tried, "40s", "50ms").Should(BeNumerically(">", before), "it is told")
		upstream.Set("eu-west", `{"status":"ok"}`)
		polled(upstream, "eu-west", 5)
		Expect(hook.heard()).To(BeEmpty())
	}
	It("that answers 500 hears everything in order when it is well again", func() {
		hook.does(func(w http.ResponseWriter, _ string, _ func()) { w.WriteHeader(500) })
		outage()
		hook.does(nil)
		hook.hears(firing, resolved)
	})
	It("that breaks off connections hears everything in order when it is well again", func() {
		hook.does(func(w http.ResponseWriter, _ string, _ func()) {
			conn, _, err := http.NewResponseController(w).Hijack()
			Expect(err).NotTo(HaveOccurred())
			Expect(conn.Close()).To(Succeed())
		})
		outage()
		hook.does(nil)
		hook.hears(firing, resolved)
	})
	It("that says when to come back is left alone until then", func() {
		var mu sync.Mutex
		var first, again time.Time
		hook.does(func(w http.ResponseWriter, _ string, take func()) {
			mu.Lock()
			defer mu.Unlock()
			if first.IsZero() {
				first = time.Now()
				w.Header().Set("Retry-After", "3")
				w.WriteHeader(429)
				return
			}
			again = time.Now()
			take()
		})
		upstream.Fail("eu-west", 503)
		hook.hears(firing)
		mu.Lock()
		defer mu.Unlock()
		Expect(again.Sub(first)).To(BeNumerically(">=", 3*time.Second))
	})
})
