package adminui

import (
	"net/http/httptest"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

var _ = Describe("instances with a Redis", func() {
	It("need of it what docs/security.md says, and know each other's sessions", func(ctx SpecContext) {
		redis := wire.StartRedis(GinkgoTB())
		client := redis.Client()
		DeferCleanup(client.Close)
		rules := "on >secret resetchannels ~devops-insights:* &socket.io#/#* &socket.io-request#/#* &socket.io-response#/#* " +
			"+@connection +@pubsub +get +set +eval +pexpire +pttl +del " +
			"~socket.io-admin#* &socket.io#/admin#* &socket.io-request#/admin#* &socket.io-response#/admin#*"
		args := []any{"ACL", "SETUSER", "insights"}
		for rule := range strings.FieldsSeq(rules) {
			args = append(args, rule)
		}
		Expect(client.Do(ctx, args...).Err()).To(Succeed())
		page := &httptest.Server{URL: "https://admin.example"}
		var all []*kit.Server
		for range 2 {
			all = append(all, administrated(page, "development", "read", func(o *app.Options) { o.Config.RedisHost = "redis://insights:secret@" + redis.Addr }))
		}
		ws := dial(all[0].URL, page.URL)
		Expect(says(ws, `40/admin,{"username":"admin","password":"`+password+`"}`)).To(HavePrefix("40/admin"))
		next := func() string {
			_, frame, err := ws.ReadMessage()
			Expect(err).NotTo(HaveOccurred())
			return string(frame)
		}
		session := strings.TrimSuffix(strings.TrimPrefix(next(), `42/admin,["session","`), `"]`)
		Expect(session).To(HaveLen(16))
		for frame := ""; !strings.Contains(frame, `"server_stats"`) || !strings.Contains(frame, all[1].Addr()[len("127.0.0.1"):]); {
			frame = next()
		}
		login := `40/admin,{"sessionId":"` + session + `"}`
		Expect(says(dial(all[1].URL, page.URL), login)).To(HavePrefix(`40/admin,{"sid"`))
		Expect(client.TTL(ctx, "socket.io-admin#"+session).Val().Hours()).To(BeNumerically("~", 24, 0.1))

		By("while Redis is away, the instance of the login knows it, and the others ask for the password")
		redis.Kill()
		Expect(says(dial(all[0].URL, page.URL), login)).To(HavePrefix(`40/admin,{"sid"`))
		Expect(says(dial(all[1].URL, page.URL), login)).To(Equal(`44/admin,{"message":"invalid credentials"}`))
		redis.Start()
	})
})
