package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
)

// openBolt opens an embedded store that is deleted after the spec.
func openBolt() *boltstore.Store {
	GinkgoHelper()
	db, err := boltstore.Open(boltstore.Options{Path: filepath.Join(GinkgoT().TempDir(), "b.db"), Retention: -1})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(db.Close()).To(Succeed()) })
	return db
}

// stretchOf is a time of a region: its state, and how many polls it took.
type stretchOf struct {
	region   string
	from, to int // seconds since the epoch of the specs
	state    store.State
	polls    int64
}

var _ = Describe("a replay of the past", func() {
	var db *boltstore.Store
	at := func(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }
	put := func(all ...stretchOf) {
		GinkgoHelper()
		for _, s := range all {
			iv := store.Interval{API: "acme", Source: s.region, From: at(s.from), To: at(s.to), Until: at(s.to + 20), State: s.state, Polls: s.polls}
			if s.state == store.StateDown {
				iv.Failures, iv.Reason = s.polls, "TIMEOUT"
			}
			Expect(db.PutOutcomes(context.Background(), 0, []store.Interval{iv})).To(Succeed())
		}
	}
	row := func(region string, seconds int, data string) {
		GinkgoHelper()
		m := store.Metric{API: "acme", Source: region, Data: json.RawMessage(data), Hash: store.Hash([]byte(data)), CreatedAt: at(seconds), UpdatedAt: at(seconds)}
		_, err := db.Import(context.Background(), []store.Metric{m})
		Expect(err).NotTo(HaveOccurred())
	}
	replay := func(from, to int, change func(*ReplayOptions), rules ...rule.Rule) (lines []string) {
		GinkgoHelper()
		o := ReplayOptions{
			API: "acme", Past: db, Rules: compiled(rules...), Regions: []Region{{"eu", 10 * time.Second}, {"us", 10 * time.Second}}, From: at(from), To: at(to),
			Each: func(in alert.Incident) error {
				ended := "-"
				if in.EndedAt != nil {
					ended = fmt.Sprint(in.EndedAt.Sub(epoch).Seconds())
				}
				lines = append(lines, fmt.Sprintf("%s %s %v-%s", in.Rule, in.Region, in.StartedAt.Sub(epoch).Seconds(), ended))
				return nil
			},
		}
		if change != nil {
			change(&o)
		}
		Expect(Replay(context.Background(), o)).To(Succeed())
		return lines
	}

	BeforeEach(func() {
		db = openBolt()
		put(
			stretchOf{"eu", 0, 100, store.StateUp, 10}, stretchOf{"eu", 100, 150, store.StateDown, 5}, stretchOf{"eu", 150, 300, store.StateUp, 15},
			stretchOf{"eu", 300, 320, store.StateDown, 2}, stretchOf{"eu", 320, 400, store.StateDegraded, 8}, stretchOf{"eu", 400, 500, store.StateDown, 10},
			stretchOf{"us", 5, 455, store.StateUp, 45}, stretchOf{"us", 455, 505, store.StateDown, 5},
		)
	})

	It("fires as the engine would have done", func() {
		Expect(replay(0, 600, nil, down(func(r *rule.Rule) { r.ForPolls = 3 }))).To(Equal([]string{"down eu 120-150", "down eu 420--", "down us 475--"}))
		Expect(replay(0, 600, nil, down(func(r *rule.Rule) { r.For, r.KeepFor = 30*time.Second, 100*time.Second }))).To(Equal([]string{"down eu 130-250", "down eu 430--", "down us 485--"}))
		Expect(replay(0, 600, nil, rule.Rule{Name: "many", Expr: "count(down) >= 2", Over: rule.OverAll})).To(Equal([]string{"many  455--"}))
	})

	It("is of a part of the time", func() {
		Expect(replay(110, 310, nil, down())).To(Equal([]string{"down eu 110-150", "down eu 300--"}))
		Expect(replay(160, 290, nil, down())).To(BeEmpty())
	})

	It("knows the values of that time", func() {
		row("eu", -50, `{"load":95}`)
		row("eu", 60, `{"load":10}`)
		row("eu", 200, `{"load":99}`)
		row("eu", 360, `{"load":"much"}`)
		var problems []Problem
		lines := replay(0, 600, func(o *ReplayOptions) { o.Problem = func(p Problem) { problems = append(problems, p) } }, rule.Rule{Name: "load", Expr: "data.load > 90", Regions: []string{"eu"}})
		Expect(lines).To(Equal([]string{"load eu 0-60", "load eu 200--"}))
		Expect(problems).To(ConsistOf(And(HaveField("Rule", "load"), HaveField("Region", "eu"))))
	})

	It("knows the uptime of that time", func() {
		Expect(replay(0, 600, nil, rule.Rule{Name: "bad", Expr: `uptime("5m") < 90`, Regions: []string{"eu"}})).To(Equal([]string{"bad eu 112--"}))
	})

	It("does not take a time in which nobody polled for anything", func() {
		put(stretchOf{"eu", 5000, 5010, store.StateDown, 1}, stretchOf{"eu", 5010, 5100, store.StateUp, 9})
		Expect(replay(0, 6000, nil, rule.Rule{Name: "stale", Expr: "stale", Regions: []string{"eu"}})).To(Equal([]string{"stale eu 140-150", "stale eu 440-5010"}))
		Expect(replay(0, 6000, nil, down(func(r *rule.Rule) { r.Regions = []string{"eu"} }))).To(Equal([]string{"down eu 100-150", "down eu 300-320", "down eu 400-5010"}))
	})

	It("leaves out a region that was not there yet", func() {
		put(stretchOf{"ap", 400, 500, store.StateUp, 10})
		lines := replay(0, 600, func(o *ReplayOptions) {
			o.Regions = append(o.Regions, Region{"ap", 10 * time.Second}, Region{"sa", 10 * time.Second})
		}, rule.Rule{Name: "stale", Expr: "stale", Regions: []string{"ap", "sa"}}, rule.Rule{Name: "all", Expr: "count(up) == 1", Over: rule.OverAll})
		Expect(lines).To(Equal([]string{"all  455--"}))
	})

	It("ends with the error of whoever listens, and with the context", func() {
		o := ReplayOptions{API: "acme", Past: db, Rules: compiled(down()), Regions: []Region{{"eu", 10 * time.Second}}, From: at(0), To: at(600)}
		o.Each = func(alert.Incident) error { return errors.New("enough") }
		Expect(Replay(context.Background(), o)).To(MatchError("enough"))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		Expect(Replay(ctx, o)).To(MatchError(context.Canceled))
		o.To = o.From
		Expect(Replay(context.Background(), o)).To(MatchError(ContainSubstring("From before To")))
	})
})
