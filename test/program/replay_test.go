package program

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
)

var _ = Describe("rules replay", func() {
	// recorded is a place in whose store eu-west was down for ten polls, an hour ago.
	recorded := func() place {
		GinkgoHelper()
		p := newPlace()
		Expect(os.MkdirAll(p.path("data"), 0o700)).To(Succeed())
		db, err := boltstore.Open(boltstore.Options{Path: filepath.Join(p.path("data"), boltstore.FileName), Retention: -1})
		Expect(err).NotTo(HaveOccurred())
		defer func() { Expect(db.Close()).To(Succeed()) }()
		from := store.Milliseconds(time.Now().Add(-time.Hour))
		for i, state := range []store.State{store.StateUp, store.StateDown, store.StateUp} {
			iv := store.Interval{API: "acme", Source: "eu-west", From: from, To: from.Add(100 * time.Second), Until: from.Add(120 * time.Second), State: state, Polls: 10}
			iv.From, iv.To, iv.Until = iv.From.Add(time.Duration(i)*100*time.Second), iv.To.Add(time.Duration(i)*100*time.Second), iv.Until.Add(time.Duration(i)*100*time.Second)
			if state == store.StateDown {
				iv.Failures, iv.Reason = 10, "TIMEOUT"
			}
			Expect(db.PutOutcomes(context.Background(), 0, []store.Interval{iv})).To(Succeed())
		}
		data := json.RawMessage(`{"status":"ok"}`)
		_, err = db.Import(context.Background(), []store.Metric{{API: "acme", Source: "eu-west", Data: data, Hash: store.Hash(data), CreatedAt: from, UpdatedAt: from}})
		Expect(err).NotTo(HaveOccurred())
		return p
	}

	It("says in a line each what would have fired, also without a receiver", func() {
		p := recorded()
		stdout, stderr, code := p.run("rules", "replay", "--from", "2h ago", "--to", "now")
		Expect(code).To(BeZero(), stderr)
		lines := strings.Split(strings.TrimSpace(stdout), "\n")
		Expect(lines).To(HaveLen(1))
		fields := strings.Split(lines[0], "\t")
		Expect(fields).To(HaveLen(7))
		Expect(fields[2:6]).To(Equal([]string{"1m20s", "critical", "region-down", "eu-west"}))
		Expect(stderr).To(ContainSubstring("1 incidents of 3 rules"))
	})

	It("says it in JSON, of the rules in the settings file", func() {
		p := recorded()
		p.write("devops-insights.yaml", "alerts:\n  rules:\n  - name: quick\n    expr: down && reason == \"TIMEOUT\"\n  - name: never\n    expr: latency > 1e9\n")
		stdout := p.must("rules", "replay", "--from", "2h ago", "--json", "--rule", "quick")
		var in alert.Incident
		Expect(json.Unmarshal([]byte(stdout), &in)).To(Succeed(), stdout)
		Expect(in.Rule).To(Equal("quick"))
		Expect(in.EndedAt.Sub(*in.StartedAt)).To(Equal(100 * time.Second))
		Expect(in.Events).To(HaveLen(3))
	})

	It("says what is wrong with how it is called", func() {
		p := recorded()
		for flags, sentence := range map[string]string{
			"--rule=other":    "--rule can be data-stale, own-network, region-down",
			"--from=tomorrow": "--from=\"tomorrow\" cannot be used",
			"FILE":            "is no argument of rules replay",
		} {
			_, stderr, code := p.run("rules", "replay", flags)
			Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring(sentence), 78))
		}
		_, stderr, code := p.run("rules", "replay", "--api=other")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring(`nothing is stored of the api "other", but of acme`), 1))
	})
})
