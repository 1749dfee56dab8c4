package clients

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/ports"
)

// watched is a server with an internal listener, whose address it returns.
func watched() (*kit.Server, string) {
	GinkgoHelper()
	port, err := ports.Free(1)
	Expect(err).NotTo(HaveOccurred())
	internal := "127.0.0.1:" + strconv.Itoa(port)
	s := kit.Start(GinkgoTB(), func(o *app.Options) {
		o.Config.InternalAddr, o.Config.MaxEventRate = internal, 100
		o.PingInterval, o.PingTimeout = 500*time.Millisecond, 3*time.Second
	})
	return s, "http://" + internal
}

// fetch reads what a script reads.
func fetch(ctx SpecContext, url string, into any) {
	GinkgoHelper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	Expect(err).NotTo(HaveOccurred())
	resp, err := http.DefaultClient.Do(req)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	Expect(resp.StatusCode).To(Equal(200))
	Expect(json.NewDecoder(resp.Body).Decode(into)).To(Succeed())
}

var _ = Describe("the ends of connections of socket.io-client", func() {
	It("are told with their code, and the client comes back unless it left by itself", func(ctx SpecContext) {
		ways := map[string]struct{ code, lost string }{
			"leaves":              {"CLIENT_DISCONNECT", "io client disconnect"},
			"hangs-up":            {"TRANSPORT_CLOSE", "transport close"},
			"writes-garbage":      {"PARSE_ERROR", "transport close"},
			"breaks-the-protocol": {"PROTOCOL_ERROR", "transport close"},
			"asks-a-stranger":     {"UNEXPECTED_PACKET", "transport close"},
			"nests":               {"NESTING", "transport close"},
			"sends-many-parts":    {"BINARY_PARTS", "transport close"},
			"sends-too-long":      {"PAYLOAD", "transport close"},
			"sends-too-often":     {"EVENT_RATE", "transport close"},
			"sends-too-much":      {"TRAFFIC", "transport close"},
			"gives-no-pong":       {"PING_TIMEOUT", "transport close"},
		}
		s, internal := watched()
		var names []string
		want, codes := map[string]any{}, map[string]string{}
		for name, w := range ways {
			names = append(names, name)
			want[name] = map[string]any{"lost": w.lost, "back": name != "leaves"}
			codes[name] = w.code
		}
		seen := report(ctx, "../js", "node", "ends.mjs", s.URL, strings.Join(names, ","))
		Expect(seen).To(Equal(want))
		told := func() map[string]string {
			var list struct {
				Connections []struct {
					Code      string
					UserAgent string `json:"user_agent"`
					Rooms     []string
				}
			}
			fetch(ctx, internal+"/connz?state=closed&sort=cid&format=json&region=us-east", &list)
			found := map[string]string{}
			for _, c := range list.Connections {
				if found[c.UserAgent] == "" {
					found[c.UserAgent] = c.Code
				}
			}
			return found
		}
		Eventually(told, "10s").Should(Equal(codes))
	})

	It("are seen in a trace when the server stops", func(ctx SpecContext) {
		s, internal := watched()
		dashboard := s.Connect()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, internal+"/trace?for=10m", nil)
		Expect(err).NotTo(HaveOccurred())
		resp, err := http.DefaultClient.Do(req)
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = resp.Body.Close() }()
		lines := bufio.NewScanner(resp.Body)
		Expect(lines.Scan()).To(BeTrue())
		Expect(lines.Text()).To(ContainSubstring(`"type":"begin"`))
		began := time.Now()
		Expect(s.Stop()).To(Succeed())
		Expect(time.Since(began)).To(BeNumerically("<", 10*time.Second), "a trace does not hold a stop up")
		var last []string
		for lines.Scan() {
			last = append(last, lines.Text())
		}
		Expect(last).To(ContainElement(And(ContainSubstring(`"type":"closed"`), ContainSubstring(`"code":"SERVER_SHUTDOWN"`))))
		Expect(last[len(last)-1]).To(And(ContainSubstring(`"type":"end"`), ContainSubstring(`"why":"shutdown"`)))
		dashboard.Close()
	})
})
