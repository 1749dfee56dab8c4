package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
)

// benchTerm is a term with 50 regions and 20 rules that look at a recorded answer.
func benchTerm(b *testing.B) (*term, *clock, []json.RawMessage) {
	b.Helper()
	data, err := os.ReadFile("../../../test/contract/testdata/payload-us-east.json")
	if err != nil {
		b.Fatal(err)
	}
	now := &clock{wall: epoch}
	o := Options{API: "acme", Store: newMemory(), Now: now.now, Elapsed: now.elapsed, Receivers: []Receiver{{Name: "ops"}}}
	for i := range 50 {
		o.Regions = append(o.Regions, Region{fmt.Sprint("region-", i), 10 * time.Second})
	}
	for i := range 20 {
		expr := []string{"down", "stale && !down", `data.results.stats.server.cpu_load > 1000 && status != "ok"`, "latency > 100000", "failures > 1000"}[i%5]
		c, err := rule.Compile(rule.Rule{Name: fmt.Sprint("rule-", i), Expr: expr, For: time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		o.Rules = append(o.Rules, c)
	}
	e, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	t := e.begin(1)
	t.turn(context.Background())
	values := []json.RawMessage{data, append(json.RawMessage(nil), data...)}
	values[1] = json.RawMessage(string(data[:len(data)-1]) + `,"n":1}`)
	for _, r := range o.Regions {
		e.Record(poller.Result{API: "acme", Source: r.Name, Data: data}, store.StateUp, "")
	}
	t.turn(context.Background())
	return t, now, values
}

// BenchmarkTick is a look at the time with 50 regions and 20 rules: what it costs
// each second while nothing is polled.
func BenchmarkTick(b *testing.B) {
	t, now, _ := benchTerm(b)
	b.ReportAllocs()
	for b.Loop() {
		now.pass(time.Second)
		t.judge.look(now.wall, false)
		t.apply(now.wall, t.judge.passed(now.wall))
	}
}

// BenchmarkPoll is one poll of a region with 20 rules, with the value of before and
// with another one, which is decoded once.
func BenchmarkPoll(b *testing.B) {
	for _, changed := range []bool{false, true} {
		b.Run(fmt.Sprint("changed=", changed), func(b *testing.B) {
			t, now, values := benchTerm(b)
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				now.pass(10 * time.Millisecond)
				if changed {
					i = 1 - i
				}
				t.e.Record(poller.Result{API: "acme", Source: "region-7", Data: values[i], Changed: changed}, store.StateUp, "")
				t.looked = now.passed // no look at the time
				t.turn(context.Background())
			}
		})
	}
}
