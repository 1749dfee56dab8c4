package adminui

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

var _ = DescribeTable("nobody is let in with", func(auth any) {
	in := start()
	_, err := in.join(Name, "10.0.0.1", auth)
	Expect(err).To(MatchError(ContainSubstring("invalid credentials")))
	Expect(in.log.lines("was not let in")).To(HaveLen(1))
	Expect(in.log.lines("hunter2")).To(BeEmpty())
},
	Entry("nothing", nil),
	Entry("a wrong password", map[string]any{"username": "admin", "password": "hunter2"}),
	Entry("no password", map[string]any{"username": "admin"}),
	Entry("an empty password", map[string]any{"username": "admin", "password": ""}),
	Entry("another name", map[string]any{"username": "Admin", "password": password}),
	Entry("no name", map[string]any{"password": password}),
	Entry("a list for a password", map[string]any{"username": "admin", "password": []string{password}}),
	Entry("an object for a name", map[string]any{"username": map[string]string{"$ne": ""}, "password": password}),
	Entry("a huge password", map[string]any{"username": "admin", "password": strings.Repeat(password, 10_000)}),
	Entry("the hash", map[string]any{"username": "admin", "password": hash()}),
	Entry("a part of the token", map[string]any{"token": token[:16]}),
	Entry("a session that never was", map[string]any{"sessionId": "0123456789abcdef"}),
	Entry("a session of another form", map[string]any{"sessionId": map[string]any{"a": 1}}),
)

var _ = Describe("an administrator", func() {
	It("logs in with the password, gets a session, and comes back with it until it is over", func() {
		in := start(func(o *Options, _ *socketio.Options) { o.SessionTime = time.Hour })
		p := in.administrator()
		session := plain(p.hear("session"))
		Expect(session).To(MatchRegexp(`^[0-9a-f]{16}$`))
		Expect(string(p.hear("config"))).To(Equal(`{"supportedFeatures":["AGGREGATED_EVENTS"]}`))
		again, err := in.join(Name, "10.0.0.2", map[string]string{"sessionId": session})
		Expect(err).NotTo(HaveOccurred())
		Expect((<-again.events).name).To(Equal("config"), "a session makes no new one")

		in.clock.forward(time.Hour + time.Second)
		Eventually(p.gone, "10s").Should(Receive(), "who is connected has to log in again")
		Eventually(again.gone, "10s").Should(Receive())
		_, err = in.join(Name, "10.0.0.2", map[string]string{"sessionId": session})
		Expect(err).To(MatchError(ContainSubstring("invalid credentials")))
	})

	DescribeTable("logs in with the token", func(auth any, header ...string) {
		in := start()
		p, err := in.join(Name, "10.0.0.1", auth, header...)
		Expect(err).NotTo(HaveOccurred())
		p.hear("config")
		Expect(in.log.lines(`"by":"token"`)).To(HaveLen(1))
		Expect(in.log.lines(token)).To(BeEmpty())
	},
		Entry("as a script", map[string]string{"token": token}),
		Entry("in the form of the UI", map[string]string{"username": "", "password": token}),
		Entry("in a header", nil, "Authorization", "bearer "+token),
	)

	It("may be told why a page is refused", func() {
		in := start(func(o *Options, _ *socketio.Options) {
			o.AllowPage = func(r *http.Request) error { return errors.New("not from " + r.Header.Get("Origin")) }
		})
		_, err := in.join(Name, "10.0.0.1", map[string]string{"token": token}, "Origin", "https://a.example")
		Expect(err).To(MatchError(ContainSubstring("not from https://a.example")))
	})
})

var _ = Describe("guessing passwords", func() {
	wrong := map[string]string{"username": "admin", "password": "guess"}
	right := map[string]string{"username": "admin", "password": password}
	tooMany := ContainSubstring("too many attempts to log in: try again in")

	It("is slow from one address, which keeps nobody else out", func() {
		in := start()
		for range 5 {
			_, err := in.join(Name, "10.0.0.1", wrong)
			Expect(err).To(MatchError(ContainSubstring("invalid credentials")))
		}
		_, err := in.join(Name, "10.0.0.1", right)
		Expect(err).To(MatchError(tooMany))
		_, err = in.join(Name, "10.0.0.2", right)
		Expect(err).NotTo(HaveOccurred())
		in.clock.forward(10 * time.Second)
		_, err = in.join(Name, "10.0.0.1", right)
		Expect(err).NotTo(HaveOccurred())
	})

	It("is slow from many addresses, which keeps nobody out who was there before", func() {
		in := start()
		session := plain(in.administrator().hear("session"))
		i := 0
		Eventually(func() error {
			i++
			_, err := in.join(Name, fmt.Sprintf("10.1.%d.1", i), wrong)
			return err
		}, "30s", "0s").Should(MatchError(tooMany))
		Expect(i).To(BeNumerically(">=", 20))
		in.administrator()
		_, err := in.join(Name, "10.3.0.1", map[string]string{"sessionId": session})
		Expect(err).NotTo(HaveOccurred())
		Expect(len(in.log.lines("was not let in"))).To(BeNumerically("<=", 11), "the log is not filled")
	})
})

var _ = Describe("the bound of attempts", func() {
	each, all := bucketSize{burst: 2, every: time.Second}, bucketSize{burst: 1e9, every: time.Second}

	It("remembers a bounded number of addresses, and bounds those beyond together", func() {
		now := time.Now()
		t := newAttempts(func() time.Time { return now }, each, all)
		a := netip.MustParseAddr("10.0.0.0")
		for range 2 * maxAddresses {
			_ = t.take(a)
			a = a.Next()
		}
		Expect(t.byAddr).To(HaveLen(maxAddresses))
		Expect(t.take(a)).To(Equal(time.Duration(t.rest.made+1-each.burst)*time.Second), "they share one bucket")
		now = now.Add(time.Hour)
		Expect(t.take(a)).To(BeZero())
		Expect(len(t.byAddr)).To(Equal(1))
	})

	It("takes a network of IPv6 for one address", func() {
		t := newAttempts(time.Now, each, all)
		for _, addr := range []string{"2001:db8::1", "2001:db8::2%eth0"} {
			Expect(t.take(netip.MustParseAddr(addr))).To(BeZero())
		}
		Expect(t.take(netip.MustParseAddr("2001:db8::3"))).NotTo(BeZero())
		Expect(t.take(netip.MustParseAddr("2001:db8:0:1::3"))).To(BeZero())
		Expect(t.take(netip.Addr{})).To(BeZero(), "an address that is not known")
	})
})

var _ = It("sessions in memory are bounded: the one that ends first makes room", func(ctx SpecContext) {
	now := time.Now()
	m := NewMemory(func() time.Time { return now })
	for i := range maxSessions + 10 {
		Expect(m.Save(context.Background(), fmt.Sprint(i), now.Add(time.Duration(i+1)*time.Second))).To(Succeed())
	}
	Expect(m.ends).To(HaveLen(maxSessions))
	Expect(m.Ends(ctx, "9")).To(BeZero())
	Expect(m.Ends(ctx, "10")).To(Equal(now.Add(11 * time.Second)))
	now = now.Add(11 * time.Second)
	Expect(m.Ends(ctx, "10")).To(BeZero())
})
