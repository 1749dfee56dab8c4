// Package database runs the server on a MongoDB-wire server: alone, as one of
// several, and while the database comes and goes.
package database

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/mongostore"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/ports"
	"github.com/devops-insights/devops-insights/test/wire"
)

func TestDatabase(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Database")
}

// on starts a server over the database, polling the given upstream.
func on(uri string, upstream *kit.Upstream, change ...func(*app.Options)) *kit.Server {
	return kit.Start(GinkgoTB(), append([]func(*app.Options){func(o *app.Options) {
		o.Config.DatabaseURL = uri
		o.Config.PollLease = 3 * time.Second
		if upstream != nil {
			o.Config.UpstreamURL = upstream.Template()
		}
	}}, change...)...)
}

// count is the number that an update carries.
func count(e kit.Event) int {
	GinkgoHelper()
	var payload struct {
		Data struct{ N int }
	}
	Expect(json.Unmarshal(e.Payload, &payload)).To(Succeed())
	return payload.Data.N
}

// updates returns the numbers of the updates that came so far.
func updates(c *kit.Client) (all []int) {
	GinkgoHelper()
	for {
		select {
		case e, open := <-c.Events:
			Expect(open).To(BeTrue(), "the dashboard was disconnected")
			if e.Name == "metrics-update" {
				all = append(all, count(e))
			}
		default:
			return all
		}
	}
}

func set(u *kit.Upstream, n int) { u.Set("eu-west", fmt.Sprintf(`{"n":%d}`, n)) }

var _ = Describe("on MongoDB", func() {
	It("serves dashboards as on the embedded store, and keeps it over a restart", func() {
		server := on(wire.Start(GinkgoTB()).Database("serves"), nil)
		set(server.Upstream, 1)
		dashboard := server.Connect()
		dashboard.Subscribe("eu-west")
		set(server.Upstream, 2)
		Eventually(func() []int { return updates(dashboard) }, "20s").Should(ContainElement(2))
		dashboard.Emit("metrics:get", map[string]string{"source": "EU-West"})
		e := dashboard.Next()
		Expect(e.Name).To(Equal("metrics:data"))
		Expect(string(e.Payload)).To(HavePrefix(`{"api":"acme","source":"eu-west","data":{"n":2},"updatedAt":"`))
		server.Restart()
		again := server.Connect()
		again.Emit("metrics:getHistory", map[string]any{"source": "eu-west", "limit": 1})
		Expect(string(again.Next().Payload)).To(HavePrefix(`{"api":"acme","source":"eu-west","items":[{"api":"acme","source":"eu-west","data":{"n":2},`))
	})

	It("three instances: one polls, and each change reaches each dashboard once, also after the poller has gone", func() {
		uri := wire.Start(GinkgoTB()).Database("three")
		upstream := kit.NewUpstream(GinkgoTB())
		set(upstream, 0)
		var servers []*kit.Server
		var dashboards []*kit.Client
		for range 3 {
			s := on(uri, upstream)
			servers = append(servers, s)
			c := s.Connect()
			c.Subscribe("eu-west")
			dashboards = append(dashboards, c)
		}
		got := make([][]int, 3)
		collect := func(i int) func() []int {
			return func() []int {
				got[i] = append(got[i], updates(dashboards[i])...)
				return got[i]
			}
		}
		for n := 1; n <= 5; n++ {
			set(upstream, n)
			for i := range servers {
				Eventually(collect(i), "20s").Should(ContainElement(n))
			}
		}
		polls := upstream.Polls("eu-west")
		Eventually(func() int { return upstream.Polls("eu-west") }, "10s").Should(BeNumerically(">", polls+3), "someone polls")
		Expect(servers[0].Stop()).To(Succeed()) // it was first, so it has the lease
		set(upstream, 6)
		for i := 1; i < 3; i++ {
			Eventually(collect(i), "20s").Should(ContainElement(6))
			Consistently(collect(i), "300ms").Should(HaveLen(len(collect(i)())))
			numbers := got[i]
			for k := 1; k < len(numbers); k++ {
				Expect(numbers[k]).To(BeNumerically(">", numbers[k-1]), "in order and once: %v", numbers)
			}
		}
	})

	It("waits for a database that is not there, alive but not ready, or gives up with the reason", func(ctx SpecContext) {
		up := kit.NewUpstream(GinkgoTB())
		c := config.Default()
		c.Host, c.Port, c.DataDir, c.APIName, c.UpstreamURL = "127.0.0.1", 0, GinkgoT().TempDir(), "acme", up.Template()
		c.DatabaseURL, c.DBTimeout = "mongodb://127.0.0.1:1/x?directConnection=true&serverSelectionTimeoutMS=200", 500*time.Millisecond
		_, err := app.New(ctx, app.Options{Config: c})
		Expect(err).To(MatchError(ContainSubstring("DB_TIMEOUT=500ms")))

		c.DBTimeout, c.Port = 0, mustAtoi(freePort())
		waiting, cancel := context.WithCancel(ctx)
		over := make(chan error, 1)
		go func() {
			_, err := app.New(waiting, app.Options{Config: c})
			over <- err
		}()
		url := fmt.Sprint("http://127.0.0.1:", c.Port)
		Eventually(func() []int { return []int{get(url + "/livez"), get(url + "/readyz")} }, "20s").Should(Equal([]int{200, 503}))
		Expect(get(url + "/socket.io/?EIO=4&transport=polling")).To(Equal(503))
		cancel()
		Eventually(over, "20s").Should(Receive(MatchError(context.Canceled)))
	})

	It("answers from memory while the database is away, says so, and stores what came meanwhile", func(ctx SpecContext) {
		db := wire.Start(GinkgoTB())
		uri := db.Database("away")
		server := on(uri, nil)
		set(server.Upstream, 1)
		dashboard := server.Connect()
		dashboard.Subscribe("eu-west")
		set(server.Upstream, 2)
		Eventually(func() []int { return updates(dashboard) }, "20s").Should(ContainElement(2))
		info := func() string {
			resp, err := http.Get(server.URL + "/api/v1/info")
			Expect(err).NotTo(HaveOccurred())
			defer func() { _ = resp.Body.Close() }()
			text, err := io.ReadAll(resp.Body)
			Expect(err).NotTo(HaveOccurred())
			return string(text)
		}
		Expect(info()).To(ContainSubstring(`"store":"mongodb","following":"change stream"`))
		watcher := server.Connect()
		Eventually(func() string {
			watcher.Emit("metrics:get", map[string]string{})
			return string(watcher.Next().Payload)
		}, "20s").Should(ContainSubstring(`"count":6`)) // every region is stored before the database goes
		db.Kill()
		Eventually(info, "20s").Should(ContainSubstring(`"database_away_since"`))
		quiet := server.Connect()
		quiet.Emit("metrics:get", map[string]string{"source": "eu-west"})
		Expect(string(quiet.Next().Payload)).To(HavePrefix(`{"api":"acme","source":"eu-west","data":{"n":2},"updatedAt":"`))
		quiet.Emit("metrics:getHistory", map[string]string{"source": "eu-west"})
		Expect(quiet.Next().Frame).To(HavePrefix(`42["metrics:error",{"message":"Failed to fetch history","requestId":"`))
		Expect(get(server.URL + "/readyz")).To(Equal(200))
		set(server.Upstream, 3)
		Eventually(info, "20s").Should(ContainSubstring(`"changes_held":1`))
		set(server.Upstream, 4)
		Eventually(info, "20s").Should(ContainSubstring(`"changes_held":2`))
		db.Restart()
		var got []int
		Eventually(func() []int {
			got = append(got, updates(dashboard)...)
			return got
		}, "30s").Should(Equal([]int{3, 4}))
		Eventually(info, "20s").ShouldNot(ContainSubstring("database_away_since"))
	})

	It("goes on while the database is killed and started again, ten times, with 200 dashboards", func(ctx SpecContext) {
		db := wire.Start(GinkgoTB())
		uri := db.Database("comesandgoes")
		server := on(uri, nil)
		set(server.Upstream, 1)
		var dashboards []*kit.Client
		for range 200 {
			c := server.Connect()
			c.Subscribe("eu-west")
			dashboards = append(dashboards, c)
		}
		n := 1
		for range 10 {
			for range 3 {
				n++
				set(server.Upstream, n)
				time.Sleep(120 * time.Millisecond) // a little more than a poll: the writes are steady, not awaited
			}
			db.Kill()
			n++
			set(server.Upstream, n)
			dashboards[0].Emit("metrics:getHistory", map[string]any{"source": "eu-west"})
			db.Restart()
		}
		n++
		set(server.Upstream, n)
		reader, err := mongostore.Open(ctx, mongostore.Options{URL: uri})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(reader.Close)
		got := make([][]int, len(dashboards))
		for i, c := range dashboards {
			Eventually(func() []int {
				got[i] = append(got[i], updates(c)...)
				return got[i]
			}, "60s", "50ms").Should(ContainElement(n), "every dashboard ends on the last value")
		}
		rows, err := store.History(ctx, reader, store.Query{API: "acme", Source: "eu-west", Limit: 1000})
		Expect(err).NotTo(HaveOccurred())
		var stored []int
		for i := len(rows) - 1; i >= 0; i-- {
			var data struct{ N int }
			Expect(json.Unmarshal(rows[i].Data, &data)).To(Succeed())
			stored = append(stored, data.N)
		}
		for k := 1; k < len(stored); k++ {
			Expect(stored[k]).To(BeNumerically(">", stored[k-1]), "the history has no duplicate: %v", stored)
		}
		for _, seen := range got {
			for k := 1; k < len(seen); k++ {
				Expect(seen[k]).To(BeNumerically(">", seen[k-1]), "in order and once: %v", seen)
			}
			first := 0
			for first < len(stored) && stored[first] < seen[0] {
				first++
			}
			Expect(seen).To(Equal(stored[first:]), "what the history holds was seen")
		}
	})
})

var _ = It("hands the polling over within the lease when the poller is killed with SIGKILL", func() {
	built := program()
	uri := wire.Start(GinkgoTB()).Database("killed")
	upstream := kit.NewUpstream(GinkgoTB())
	set(upstream, 1)
	start := func() (*gexec.Session, string) {
		return launch(built, uri, upstream, "POLL_INTERVAL=100ms", "POLL_LEASE=2s")
	}
	poller, _ := start()
	_, second := start()
	dashboard := kit.Dial(GinkgoTB(), second)
	dashboard.Subscribe("eu-west")
	set(upstream, 2)
	Eventually(func() []int { return updates(dashboard) }, "20s").Should(ContainElement(2))
	poller.Kill().Wait("10s")
	set(upstream, 3)
	Eventually(func() []int { return updates(dashboard) }, "20s").Should(ContainElement(3))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	reader, err := mongostore.Open(ctx, mongostore.Options{URL: uri})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(reader.Close)
	rows, err := store.History(ctx, reader, store.Query{API: "acme", Source: "eu-west", Limit: 100})
	Expect(err).NotTo(HaveOccurred())
	Expect(rows).To(HaveLen(3))
})

var _ = It("takes over what the Node backend has stored: the same answers by bytes", func() {
	uri := wire.Start(GinkgoTB()).Database("takeover")
	payload, err := os.ReadFile("../contract/testdata/payload-eu-west.json")
	Expect(err).NotTo(HaveOccurred())
	cmd := exec.Command("node", "mongoose.mjs", uri, "save", `[{"source":"eu-west","data":`+string(payload)+`},{"source":"us-east","data":{"2":0.1,"1":[[]]}}]`)
	cmd.Dir, cmd.Stderr = "../js", GinkgoWriter
	out, err := cmd.Output()
	Expect(err).NotTo(HaveOccurred(), "make deps says what is missing")
	type kept struct{ Source, Text, CreatedAt, UpdatedAt string }
	var found struct{ Latest, History []kept }
	Expect(json.Unmarshal(out, &found)).To(Succeed())
	server := kit.Start(GinkgoTB(), func(o *app.Options) {
		o.Config.DatabaseURL = uri
		o.Config.UpstreamURL = "http://127.0.0.1:1/{source}" // nothing is polled
	})
	dashboard := server.Connect()
	for _, m := range found.Latest {
		dashboard.Emit("metrics:get", map[string]string{"source": m.Source})
		Expect(string(dashboard.Next().Payload)).To(Equal(fmt.Sprintf(
			`{"api":"acme","source":%q,"data":%s,"updatedAt":%q}`, m.Source, m.Text, m.UpdatedAt)))
	}
	dashboard.Emit("metrics:getHistory", map[string]string{"source": "eu-west"})
	for _, m := range found.History {
		if m.Source == "eu-west" {
			Expect(string(dashboard.Next().Payload)).To(Equal(fmt.Sprintf(
				`{"api":"acme","source":"eu-west","items":[{"api":"acme","source":"eu-west","data":%s,"createdAt":%q,"updatedAt":%q}],"count":1}`,
				m.Text, m.CreatedAt, m.UpdatedAt)))
		}
	}
})

var _ = It("does not poll while a Node instance has the lease in Redis, and polls when it has gone", func(ctx SpecContext) {
	uri := wire.Start(GinkgoTB()).Database("redis")
	server := wire.StartRedis(GinkgoTB())
	client := server.Client()
	DeferCleanup(client.Close)
	const key = "devops-insights:poller:leader:acme"
	Expect(client.Set(ctx, key, "node:1:abc", time.Minute).Err()).To(Succeed())
	instance := kit.Start(GinkgoTB(), func(o *app.Options) {
		o.Config.DatabaseURL, o.Config.RedisHost, o.Config.PollLease = uri, server.URL(), 3*time.Second
	})
	Consistently(func() int { return instance.Upstream.Polls("eu-west") }, "700ms").Should(BeZero())
	Expect(client.Del(ctx, key).Err()).To(Succeed())
	Eventually(func() int { return instance.Upstream.Polls("eu-west") }, "20s").Should(BeNumerically(">", 2))
	Expect(client.Get(ctx, key).Val()).NotTo(BeEmpty())
	Expect(instance.Stop()).To(Succeed())
	Expect(client.Exists(ctx, key).Val()).To(BeZero(), "a shutdown gives it back at once")
})

func get(url string) int {
	resp, err := http.Get(url)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func mustAtoi(text string) int {
	GinkgoHelper()
	n, err := strconv.Atoi(text)
	Expect(err).NotTo(HaveOccurred())
	return n
}

func freePort() string {
	GinkgoHelper()
	port, err := ports.Free(1)
	Expect(err).NotTo(HaveOccurred())
	return strconv.Itoa(port)
}
