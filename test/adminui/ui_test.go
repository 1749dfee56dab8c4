package adminui

import (
	"io"

	"github.com/chromedp/chromedp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/test/kit"
)

// logTo lets the server write its log to the buffer too.
func logTo(log *gbytes.Buffer) func(*app.Options) {
	return func(o *app.Options) {
		o.Logger = logrus.New()
		o.Logger.SetOutput(io.MultiWriter(GinkgoWriter, log))
		o.Logger.SetFormatter(&logrus.JSONFormatter{})
	}
}

// connected is what the page says of its connection.
var connected = MatchRegexp(`Status:\s+CONNECTED`)

func contain(text string) OmegaMatcher { return ContainSubstring(text) }

var _ = Describe("the published UI", func() {
	It("shows figures in production mode, after the right password and on the next visit without it", func() {
		page, log := ui(), gbytes.NewBuffer()
		server := administrated(page, "production", "read", logTo(log))
		for range 3 {
			watch(server, "us-east")
		}
		b := open(page)
		b.logIn(server, "admin", "wrong")
		Eventually(b.text, "20s", "100ms").Should(contain("Invalid credentials"))
		b.picture("refused")
		b.logIn(server, "admin", password)
		Eventually(b.text, "20s", "100ms").Should(And(connected, Not(contain("Password"))))
		Eventually(b.text, "20s", "100ms").Should(And(MatchRegexp(`\n\s*HEALTHY\s+1\b`), MatchRegexp(`/\s+3\b`), MatchRegexp(`/admin\s+1\b`)))
		Expect(b.text()).NotTo(Or(contain("Sockets\n"), contain("Rooms"), contain("Events")), "these are for the development mode")
		Eventually(b.count(`canvas`), "10s", "100ms").Should(BeNumerically(">=", 2))
		b.picture("production")

		b.do(chromedp.Reload())
		Eventually(b.text, "20s", "100ms").Should(And(connected, MatchRegexp(`/\s+3\b`)))
		Expect(b.text()).NotTo(contain("Password"))
		b.do(chromedp.Click(chromedp.Search(`//div[text()="Servers"]`)))
		Eventually(b.text, "20s", "100ms").Should(And(contain(server.Addr()[len("127.0.0.1"):]), contain("HEALTHY")))
		b.picture("servers")
		Expect(log).To(gbytes.Say(`"by":"password".*an administrator logged in`))
		Expect(log).To(gbytes.Say(`"by":"session".*an administrator logged in`))
		Expect(string(log.Contents())).NotTo(contain(password))
	})

	It("shows sockets, rooms and events in development mode, and carries commands out", func() {
		page, log := ui(), gbytes.NewBuffer()
		server := administrated(page, "development", "full", logTo(log))
		watch(server, "us-east")
		watch(server, "eu-west")
		b := open(page)
		b.logIn(server, "admin", password)
		Eventually(b.text, "20s", "100ms").Should(connected)
		b.picture("development")
		b.visit("Sockets")
		Eventually(b.text, "20s", "100ms").Should(contain("127.0.0.1"))
		Eventually(b.count(`tbody tr`), "10s", "100ms").Should(Equal(2))
		third := watch(server, "sa-east")
		Eventually(b.count(`tbody tr`), "10s", "100ms").Should(Equal(3))
		b.picture("sockets")
		third.Close()
		Eventually(b.count(`tbody tr`), "10s", "100ms").Should(Equal(2))

		b.visit("Rooms")
		Eventually(b.text, "20s", "100ms").Should(
			And(contain("metrics:acme:us-east"), contain("metrics:acme:eu-west"), Not(contain("metrics:acme:sa-east"))))
		b.picture("rooms")
		server.Upstream.Set("us-east", `{"status":"ok","results":{"secret":"of the payload"}}`)
		b.visit("Events")
		Eventually(b.text, "20s", "100ms").Should(contain("metrics-update"))
		b.picture("events")
		Expect(b.text()).NotTo(contain("of the payload"))

		b.visit("Clients")
		Eventually(b.text, "20s", "100ms").Should(contain("WebSocket"))
		b.picture("clients")
		b.visit("Sockets")
		b.do(chromedp.Click(chromedp.Search(`(//tbody/tr//button[.//i[contains(@class, "mdi-logout")]])[1]`)))
		Eventually(log, "10s").Should(gbytes.Say(`"command":"_disconnect".*"filter":"[^"]{6}…".*was carried out`))
		b.picture("socket") // the UI shows it too
		b.visit("Sockets")
		Eventually(b.count(`tbody tr`), "10s", "100ms").Should(Equal(1))
	})
})

// watch connects a dashboard that hears of a region.
func watch(s *kit.Server, region string) *kit.Client {
	c := s.Connect()
	c.Subscribe(region)
	return c
}

// visit goes to a part of the UI.
func (b browser) visit(part string) {
	GinkgoHelper()
	b.do(chromedp.Click(chromedp.Search(`//div[@class="v-list-item__title" and text()="` + part + `"]`)))
}

// count returns how many elements of a kind the page has.
func (b browser) count(selector string) func() int {
	return func() int {
		n, _ := chromedp.Run(b.ctx, chromedp.Evaluate[int](`document.querySelectorAll('`+selector+`').length`))
		return n
	}
}
