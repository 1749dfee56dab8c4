package program

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("the command alerts send-test", func() {
	// receiver is one that answers with a status, and what it was told.
	receiver := func(status int) (url string, told func() []string) {
		var mu sync.Mutex
		var bodies []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			mu.Lock()
			bodies = append(bodies, string(body))
			mu.Unlock()
			w.WriteHeader(status)
		}))
		DeferCleanup(server.Close)
		return server.URL + "/hunter2", func() []string {
			mu.Lock()
			defer mu.Unlock()
			return append([]string{}, bodies...)
		}
	}
	settings := func(receivers ...string) place {
		p := newPlace()
		p.write("devops-insights.yaml", "alerts:\n  receivers:\n"+strings.Join(receivers, ""))
		return p
	}

	It("tells the receiver of ALERT_WEBHOOK_URL, with links to PUBLIC_URL", func() {
		url, told := receiver(200)
		p := newPlace("ALERT_WEBHOOK_URL="+url, "PUBLIC_URL=https://insights.example")
		Expect(p.must("alerts", "send-test")).To(Equal("receiver webhook has taken a test alert, and that it is resolved\n"))
		Expect(told()).To(HaveLen(2))
		Expect(told()[0]).To(And(ContainSubstring(`"version":"4"`), ContainSubstring(`"status":"firing"`), ContainSubstring(`"externalURL":"https://insights.example"`)))
		Expect(told()[1]).To(ContainSubstring(`"status":"resolved"`))
	})

	It("says of each receiver whether it has taken it, and ends with 1 where one has not", func() {
		good, _ := receiver(204)
		bad, _ := receiver(403)
		p := settings("    - {name: good, url: "+good+"}\n", "    - {name: bad, url: "+bad+"}\n")
		stdout, stderr, code := p.run("alerts", "send-test")
		Expect(code).To(Equal(1))
		Expect(stdout).To(Equal("receiver good has taken a test alert, and that it is resolved\n"))
		Expect(stderr).To(ContainSubstring("receiver bad answered with status 403\n"))
		Expect(stdout + stderr).NotTo(ContainSubstring("hunter2"))
	})

	It("tells one receiver by its name, with its template", func() {
		url, told := receiver(200)
		p := settings("    - {name: other, url: http://127.0.0.1:1}\n", "    - {name: chat, url: "+url+", template: chat.tmpl}\n")
		p.write("chat.tmpl", `{"text": {{ json .Summary }}}`)
		p.must("alerts", "send-test", "--receiver", "chat")
		Expect(told()).To(HaveEach(MatchJSON(`{"text": "This is a test of the receiver chat"}`)))
	})

	DescribeTable("ends with 78 and a sentence where it cannot tell anybody",
		func(sentence string, args ...string) {
			p := newPlace()
			if len(args) > 2 {
				p = settings("    - {name: chat, url: http://127.0.0.1:1}\n")
			}
			stdout, stderr, code := p.run(args...)
			Expect(code).To(Equal(78), stdout+stderr)
			Expect(stderr).To(ContainSubstring(sentence))
		},
		Entry("without receivers", "there are no receivers of alerts: set ALERT_WEBHOOK_URL, or name some in the YAML file under alerts", "alerts", "send-test"),
		Entry("by a name that there is not", `there is no receiver "mail": there are chat`, "alerts", "send-test", "--receiver", "mail"),
		Entry("without send-test", "devops-insights alerts send-test [--receiver NAME] is possible", "alerts"),
		Entry("with more than that", "devops-insights alerts send-test [--receiver NAME] is possible", "alerts", "send-test", "chat"),
	)
})
