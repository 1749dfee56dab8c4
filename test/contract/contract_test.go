// Package contract checks the server against what the Node backend really
// answered: every recorded event and input, compared by bytes.
package contract

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
	"github.com/devops-insights/devops-insights/test/kit"
)

func TestContract(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Contract")
}

type recording struct {
	Sent     json.RawMessage   `json:"sent"`
	Received []json.RawMessage `json:"received"`
	Process  string            `json:"process"`
}

func golden[T any](name string) T {
	GinkgoHelper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	Expect(err).NotTo(HaveOccurred())
	var v T
	Expect(json.Unmarshal(body, &v)).To(Succeed())
	return v
}

// payload returns the second element of a recorded event frame.
func payload(frame string, into any) {
	GinkgoHelper()
	var parts []json.RawMessage
	Expect(json.Unmarshal([]byte(frame[strings.IndexByte(frame, '['):]), &parts)).To(Succeed())
	Expect(json.Unmarshal(parts[1], into)).To(Succeed())
}

func text(raw json.RawMessage) string {
	GinkgoHelper()
	var s string
	Expect(json.Unmarshal(raw, &s)).To(Succeed())
	return s
}

func at(s string) time.Time {
	GinkgoHelper()
	t, err := time.Parse(time.RFC3339Nano, s)
	Expect(err).NotTo(HaveOccurred())
	return t
}

// start fills a store with samples and starts a server on it whose upstream
// fails, so that what is stored is what was recorded.
func start(samples []store.Sample) *kit.Server {
	GinkgoHelper()
	return kit.Start(GinkgoT(), func(o *app.Options) {
		db, err := boltstore.Open(boltstore.Options{Path: filepath.Join(o.Config.DataDir, "devops-insights.db"), Retention: -1})
		Expect(err).NotTo(HaveOccurred())
		for _, s := range samples {
			_, err := db.Save(context.Background(), s)
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(db.Close()).To(Succeed())
		o.Config.Retention = 100 * 365 * 24 * time.Hour
		o.Config.PollInterval = time.Hour
		o.Config.UpstreamURL = "http://127.0.0.1:9/{source}" // the discard port: nobody answers
	})
}

type item struct {
	Source    string          `json:"source"`
	Data      json.RawMessage `json:"data"`
	CreatedAt string          `json:"createdAt"`
}

var anyTime = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)

// send emits the recorded frames and returns what came back until the server
// had handled them all.
func send(s *kit.Server, sent json.RawMessage) []string {
	GinkgoHelper()
	var frames []string
	if json.Unmarshal(sent, &frames) != nil {
		frames = []string{text(sent)}
	}
	c := s.Connect()
	for _, f := range frames {
		c.Send(f)
	}
	var got []string
	for _, e := range c.Sync() {
		got = append(got, recorded(e.Frame))
	}
	return got
}

// asked is the id of the question, which ours adds to each metrics:error as the
// last key.
var asked = regexp.MustCompile(`,"requestId":"[-_.:+/=@0-9A-Za-z]{1,80}"\}\]$`)

// recorded is a frame without what ours adds to those of the Node backend.
func recorded(frame string) string {
	GinkgoHelper()
	if !strings.HasPrefix(frame, `42["metrics:error",`) {
		return frame
	}
	Expect(frame).To(MatchRegexp(asked.String()))
	return asked.ReplaceAllString(frame, "}]")
}

const refused = `42["error",{"message":"Invalid source","allowed":["us-east","eu-west","eu-central","us-west","sa-east","ap-southeast"]}]`

var _ = Describe("metrics:get, metrics:subscribe and metrics:unsubscribe", Ordered, ContinueOnFailure, func() {
	events := golden[map[string]json.RawMessage]("events.json")
	var s *kit.Server
	var everything string
	BeforeAll(func() {
		var cases map[string]recording
		Expect(json.Unmarshal(events["metrics:get"], &cases)).To(Succeed())
		everything = text(cases["{}"].Received[0])
		// The recorded key order is the order of first storing.
		var all struct {
			Data  json.RawMessage   `json:"data"`
			Times map[string]string `json:"updatedAtBySource"`
		}
		payload(everything, &all)
		var samples []store.Sample
		d := json.NewDecoder(strings.NewReader(string(all.Data)))
		_, _ = d.Token()
		for d.More() {
			name, _ := d.Token()
			var data json.RawMessage
			Expect(d.Decode(&data)).To(Succeed())
			samples = append(samples, store.Sample{API: "acme", Source: name.(string), Data: data, At: at(all.Times[name.(string)])})
		}
		s = start(samples)
	})
	for _, event := range []string{"metrics:get", "metrics:subscribe", "metrics:unsubscribe"} {
		var cases map[string]recording
		if err := json.Unmarshal(events[event], &cases); err != nil {
			panic(err)
		}
		for name, c := range cases {
			It(event+" with "+name, func() {
				got := send(s, c.Sent)
				if c.Process == "alive" {
					want := []string{}
					for _, r := range c.Received {
						want = append(want, text(r))
					}
					Expect(got).To(HaveExactElements(want))
					return
				}
				// The Node process exits here; ours answers as docs/protocol.md lists.
				switch event {
				case "metrics:get":
					Expect(got).To(HaveExactElements(everything))
				case "metrics:subscribe":
					Expect(got).To(HaveExactElements(refused))
				default:
					Expect(got).To(BeEmpty())
				}
			})
		}
	}
	It("says so when a known region has no data yet", func() {
		empty := start(nil)
		Expect(send(empty, json.RawMessage(`"42[\"metrics:get\",{\"source\":\"us-east\"}]"`))).
			To(HaveExactElements(`42["metrics:error",{"message":"No data yet for this source"}]`))
		Expect(send(empty, json.RawMessage(`"42[\"metrics:get\",{}]"`))).
			To(HaveExactElements(`42["metrics:data",{"api":"acme","data":{},"count":0,"updatedAtBySource":{}}]`))
	})
})

var _ = Describe("metrics:getHistory and the rest", Ordered, ContinueOnFailure, func() {
	events := golden[map[string]map[string]json.RawMessage]("events.json")
	cases := make(map[string]recording)
	for _, group := range []string{"metrics:getHistory", "misc"} {
		for name, raw := range events[group] {
			var r recording
			if err := json.Unmarshal(raw, &r); err != nil {
				panic(err)
			}
			cases[group+" with "+name] = r
		}
	}
	var s *kit.Server
	BeforeAll(func() {
		rows := make(map[string]item)
		for _, c := range cases {
			for _, r := range c.Received {
				var frame string
				if json.Unmarshal(r, &frame) != nil || !strings.HasPrefix(frame, `42["metrics:history"`) {
					continue
				}
				var answer struct{ Items []item }
				payload(frame, &answer)
				for _, i := range answer.Items {
					rows[i.Source+i.CreatedAt] = i
				}
			}
		}
		var samples []store.Sample
		for _, i := range rows {
			samples = append(samples, store.Sample{API: "acme", Source: i.Source, Data: i.Data, At: at(i.CreatedAt)})
		}
		slices.SortFunc(samples, func(a, b store.Sample) int { return a.At.Compare(b.At) })
		s = start(samples)
	})
	for name, c := range cases {
		if strings.Contains(string(c.Sent), `"41"`) || strings.HasPrefix(string(c.Sent), `"40/`) {
			continue // the namespace and disconnect frames have specs of their own
		}
		It(name, func() {
			got := send(s, c.Sent)
			Expect(got).To(HaveLen(len(c.Received)))
			for i, r := range c.Received {
				var want string
				if json.Unmarshal(r, &want) == nil {
					if strings.HasPrefix(want, `42["metrics:data"`) {
						// The Node backend stamps latest and history some
						// milliseconds apart, ours at once.
						want, got[i] = anyTime.ReplaceAllString(want, "T"), anyTime.ReplaceAllString(got[i], "T")
					}
					Expect(got[i]).To(Equal(want))
					continue
				}
				// Long answers were recorded as a summary of their shape.
				var answer struct {
					Items []item `json:"items"`
					Count int    `json:"count"`
				}
				payload(got[i], &answer)
				Expect(answer.Count).To(Equal(len(answer.Items)))
				Expect(answer.Count).To(BeNumerically(">", 5))
				Expect(got[i]).To(MatchRegexp(`^42\["metrics:history",\{"api":"acme","items":\[\{"api":"acme","source":"[a-z-]+","data":\{`))
				Expect(got[i]).To(MatchRegexp(`\},"createdAt":"[^"]+","updatedAt":"[^"]+"\}\],"count":\d+\}\]$`))
			}
		})
	}
})

var _ = Describe("updates", func() {
	It("go to the room of the region with data untouched, and carry the time of sending", func() {
		s := kit.Start(GinkgoT())
		c := s.Connect()
		c.Subscribe("us-east")
		s.Upstream.Set("us-east", `{ "z": 1.0, "a": null, "big": 12345678901234567890, "text": "<&>" }`)
		Eventually(c.Events, "10s").Should(Receive(WithTransform(
			func(e kit.Event) string { return anyTime.ReplaceAllString(e.Frame, "T") },
			Equal(`42["metrics-update",{"api":"acme","source":"us-east","data":{"z":1.0,"a":null,"big":12345678901234567890,"text":"<&>"},"timestamp":"T"}]`))))
	})
	It("are followed by metrics-error when the region fails, and the last value stays", func() {
		s := kit.Start(GinkgoT())
		c := s.Connect()
		c.Subscribe("eu-west")
		s.Upstream.Fail("eu-west", http.StatusNotFound)
		Eventually(c.Events, "10s").Should(Receive(WithTransform(
			func(e kit.Event) string { return anyTime.ReplaceAllString(e.Frame, "T") },
			MatchRegexp(`^42\["metrics-error",\{"api":"acme","source":"eu-west","error":"[^"]*404[^"]*","httpStatus":404,"errorCode":"HTTP_404","timestamp":"T"\}\]$`))))
	})
})

var _ = Describe("HTTP", Ordered, ContinueOnFailure, func() {
	type exchange struct {
		Request struct {
			Method, Path string
			Headers      map[string]any
		}
		Status  int
		Headers [][2]string
		Body    string
	}
	var s *kit.Server
	BeforeAll(func() { s = start(nil) })
	volatile := regexp.MustCompile(`"(timestamp|uptime|sid)":("[^"]*"|[0-9.]+)|,"(connected_clients|upstream)":.*?(}|$)`)
	for _, e := range golden[[]exchange]("http.json") {
		p := e.Request.Path
		if p == "/" || strings.HasPrefix(p, "/socket.io/socket.io.") {
			continue // the built-in page takes "/"; the client bundle is not part of this build yet
		}
		It(e.Request.Method+" "+p, func() {
			body := ""
			if e.Request.Headers["Content-Length"] != nil {
				body = "{}"
				if e.Status == http.StatusBadRequest && !strings.HasPrefix(p, "/socket.io") {
					body = "{"
				}
			}
			req, err := http.NewRequestWithContext(context.Background(), e.Request.Method, s.URL+p, strings.NewReader(body))
			Expect(err).NotTo(HaveOccurred())
			for k, v := range e.Request.Headers {
				if v, ok := v.(string); ok {
					req.Header.Set(k, v)
				}
			}
			if req.Header.Get("Accept-Encoding") == "" {
				req.Header.Set("Accept-Encoding", "identity")
			}
			resp, err := http.DefaultClient.Do(req)
			Expect(err).NotTo(HaveOccurred())
			defer func() { _ = resp.Body.Close() }()
			Expect(resp.StatusCode).To(Equal(e.Status))
			Expect(resp.Header).NotTo(HaveKey("X-Powered-By"))
			html := false
			for _, h := range e.Headers {
				html = html || strings.HasPrefix(h[1], "text/html")
			}
			if html {
				Expect(resp.Header.Get("Content-Type")).To(HavePrefix("application/json"))
				return
			}
			for _, h := range e.Headers {
				switch http.CanonicalHeaderKey(h[0]) {
				case "Content-Type", "Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Cache-Control", "Allow":
					Expect(strings.ToLower(resp.Header.Get(h[0]))).To(HavePrefix(strings.ToLower(h[1])), h[0])
				}
			}
			read, err := io.ReadAll(resp.Body)
			Expect(err).NotTo(HaveOccurred())
			got := string(read)
			plain := func(s string) string { return strings.TrimSuffix(volatile.ReplaceAllString(s, `"$1":0`), "}") }
			if strings.Contains(p, "health") || strings.Contains(p, "info") {
				Expect(plain(got)).To(HavePrefix(strings.TrimSuffix(plain(e.Body), "}")))
				return
			}
			Expect(volatile.ReplaceAllString(got, "")).To(Equal(volatile.ReplaceAllString(e.Body, "")))
		})
	}
})
