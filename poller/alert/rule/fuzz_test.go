package rule

import (
	"encoding/json"
	"errors"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/devops-insights/devops-insights/store"
)

// FuzzCompileAndHold asks any expression of any value, and fills in any text: each
// has an end, and says what is wrong in a way that people can read.
func FuzzCompileAndHold(f *testing.F) {
	for _, seed := range [][3]string{
		{`data.cpu > 90 && status != "ok"`, `{{value "cpu"}} {{.why}}`, `{"cpu":95,"status":"fire"}`},
		{`count(down) >= 2 or any(regions, .data?.cpu > 1)`, `{{.down}}`, `{"cpu":[1,{}]}`},
		{`let a = data.a; reduce(1..100, #acc + a, a) == 1`, `{{round .age 2}}`, `{"a":1e999}`},
		{`uptime("6h") < 99 ?? burn_rate("5m", 99) > 1`, `{{percent .uptime_7d}}`, `[]`},
		{`map(data.a[1:], {.b ?? nil}) | filter(# matches "^(a|b)+$") == []`, `{{if .up}}{{end}}`, `{"a":[1,{"b":"ab"}]}`},
		{`find(values(data), # in 1..5)?.x == time("2026-01-01")`, "{{", `{"a":null}`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	now := time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, expr, text, data string) {
		made, err := Compile(Rule{Name: "fuzz", Expr: expr, Summary: text, Description: text})
		if err != nil {
			readable(t, err)
			if made, err = Compile(Rule{Name: "fuzz", Expr: expr}); err != nil {
				return
			}
		}
		region := Region{API: "acme", Region: "eu-west", State: store.StateDown, Reason: data, Data: json.RawMessage(data), ValueAt: now}
		facts := Facts{Now: now, API: "acme", Regions: []Region{region, {API: "acme", Region: "us-east"}}}
		facts.Uptime = func(region string, window time.Duration) (float64, bool) { return 99, region != "us-east" }
		if made.Over() == OverRegion {
			facts.Region = &region
		}
		if _, err := made.Holds(facts); err != nil {
			readable(t, err)
		}
		summary, description := made.Describe(facts)
		if utf8.RuneCountInString(summary) > maxSummary || utf8.RuneCountInString(description) > maxDescription || !utf8.ValidString(summary+description) {
			t.Errorf("%d and %d characters", len(summary), len(description))
		}
	})
}

func readable(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Field == "" || e.Sentence == "" || e.Line < 0 || e.Column < 0 || (e.Line == 0) != (e.Column == 0) {
		t.Errorf("%#v", err)
	}
}
