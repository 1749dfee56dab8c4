package adminui

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

// node is a Node server with the admin UI of npm.
type node struct {
	in    io.Writer
	lines chan line
}

type line struct {
	What  string
	Value json.RawMessage
}

func startNode(redis *wire.Redis) *node {
	GinkgoHelper()
	cmd := exec.Command("node", "adminui.mjs", redis.URL(), hash, password)
	cmd.Dir, cmd.Stderr = "../js", GinkgoWriter
	in, err := cmd.StdinPipe()
	Expect(err).NotTo(HaveOccurred())
	out, err := cmd.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(cmd.Start()).To(Succeed(), "Node.js is needed: make deps says what is missing")
	DeferCleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	n := &node{in: in, lines: make(chan line, 10_000)}
	go func() {
		defer close(n.lines)
		s := bufio.NewScanner(out)
		for s.Buffer(nil, 16<<20); s.Scan(); {
			var l line
			if json.Unmarshal(s.Bytes(), &l) == nil {
				n.lines <- l
			}
		}
	}()
	n.hear("dashboard", ContainSubstring(""))
	return n
}

func (n *node) tell(v any) {
	GinkgoHelper()
	b, err := json.Marshal(v)
	Expect(err).NotTo(HaveOccurred())
	_, err = n.in.Write(append(b, '\n'))
	Expect(err).NotTo(HaveOccurred())
}

// logIn lets somebody with a name try to log in, at the Node server or at url.
func (n *node) logIn(name, url string, auth map[string]any) {
	GinkgoHelper()
	c := map[string]any{"name": name, "login": auth}
	if url != "" {
		c["url"] = url
	}
	n.tell(c)
}

// hear waits for a line that matches and returns it.
func (n *node) hear(what string, match OmegaMatcher) string {
	GinkgoHelper()
	var seen []string
	for deadline := time.After(20 * time.Second); ; {
		select {
		case l, open := <-n.lines:
			if !open {
				Fail("the Node server ended")
			}
			if l.What != what {
				continue
			}
			if ok, _ := match.Match(string(l.Value)); ok {
				return string(l.Value)
			}
			seen = append(seen, string(l.Value))
		case <-deadline:
			Fail("the Node server never said it; of " + what + " it said " + shorten(seen))
		}
	}
}

func shorten(lines []string) (text string) {
	for _, l := range lines {
		text += "\n" + l[:min(len(l), 400)]
	}
	return text
}

var _ = Describe("beside a Node server with the same admin UI", func() {
	It("is shown by it, is shown it, and obeys the commands of its administrators", func(ctx SpecContext) {
		redis := wire.StartRedis(GinkgoTB())
		page := ui()
		join := func(o *app.Options) { o.Config.RedisHost = redis.URL() }
		server := administrated(page, "development", "full", join)
		watch(server, "us-east")
		n := startNode(redis)

		n.logIn("admin", "", map[string]any{"username": "admin", "password": password})
		n.hear("admin", HavePrefix(`["session"`))
		n.hear("admin", HavePrefix(`["config"`))
		all := n.hear("admin", HavePrefix(`["all_sockets"`))
		Expect(all).To(And(ContainSubstring(`"metrics:acme:us-east"`), ContainSubstring(`"node room"`)), "the sockets of both")
		Expect(all).To(MatchRegexp(`"clientId":"[^"]{12}","transport":"websocket","nsp":"/","data":\{\},"handshake":\{"address":"127.0.0.1"`))
		n.hear("admin", And(HavePrefix(`["server_stats"`), ContainSubstring(server.Addr()[len("127.0.0.1"):]), ContainSubstring(`"namespaces":[{"name":"/","socketsCount":1},{"name":"/admin","socketsCount":0}]`)))

		late := watch(server, "eu-west")
		n.hear("admin", And(HavePrefix(`["socket_connected"`), ContainSubstring(`"nsp":"/"`)))
		n.hear("admin", And(HavePrefix(`["room_joined","/","metrics:acme:eu-west"`)))
		n.tell(map[string]any{"emit": []any{"emit", "/", "metrics:acme:eu-west", "from-node", map[string]int{"n": 1}}})
		Expect(late.Next().Frame).To(Equal(`42["from-node",{"n":1}]`))
		n.tell(map[string]any{"emit": []any{"_disconnect", "/", true, "metrics:acme:eu-west"}})
		Eventually(late.Events, "10s").Should(BeClosed())
		n.hear("admin", And(HavePrefix(`["socket_disconnected","/"`), ContainSubstring(`"server namespace disconnect"`)))

		b := open(page)
		b.logIn(server, "admin", password)
		Eventually(b.text, "20s", "100ms").Should(connected)
		b.visit("Servers")
		Eventually(b.text, "20s", "100ms").Should(And(ContainSubstring("node"), ContainSubstring(server.Addr()[len("127.0.0.1"):])))
		b.visit("Rooms")
		Eventually(b.text, "20s", "100ms").Should(And(ContainSubstring("metrics:acme:us-east"), ContainSubstring("node room")))
		b.picture("cluster")
	})

	It("takes the sessions of the Node server, and it those of ours", func() {
		redis := wire.StartRedis(GinkgoTB())
		servers := []*kit.Server{}
		for range 2 {
			servers = append(servers, administrated(ui(), "production", "read", func(o *app.Options) { o.Config.RedisHost = redis.URL() }))
		}
		n := startNode(redis)
		var session []string
		n.logIn("at node", "", map[string]any{"username": "admin", "password": password})
		Expect(json.Unmarshal([]byte(n.hear("at node", HavePrefix(`["session"`))), &session)).To(Succeed())
		n.logIn("with its session", servers[0].URL, map[string]any{"sessionId": session[1]})
		n.hear("with its session", Equal(`["connected"]`))

		n.logIn("at ours", servers[0].URL, map[string]any{"username": "admin", "password": password})
		Expect(json.Unmarshal([]byte(n.hear("at ours", HavePrefix(`["session"`))), &session)).To(Succeed())
		for _, url := range []string{"", servers[1].URL} {
			n.logIn("again", url, map[string]any{"sessionId": session[1]})
			n.hear("again", Equal(`["connected"]`))
		}
		n.logIn("wrong", servers[0].URL, map[string]any{"sessionId": "0123456789abcdef"})
		n.hear("wrong", Equal(`["refused","invalid credentials"]`))
	})
})
