package rollup

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

func rowsOf(g *WithT, r Reader, q store.Query, before time.Time) (all []store.Metric) {
	g.THelper()
	q.API, q.Source = "acme", "eu-west"
	if q.Limit == 0 {
		q.Limit = math.MaxInt
	}
	g.Expect(Rows(context.Background(), r, q, before, func(m store.Metric) error {
		all = append(all, m)
		return nil
	})).To(Succeed())
	return all
}

// checkRows compares the rows made of minutes with what happened.
func checkRows(g *WithT, h *model, r Reader) {
	g.THelper()
	all := rowsOf(g, r, store.Query{OldestFirst: true}, time.Time{})
	i := 0
	mark, _ := r.Mark(context.Background(), "acme", "eu-west")
	for at := floor(h.from, time.Minute); at < mark.To.UnixMilli(); at += 60_000 {
		text := h.in("status", at, at+60_000)
		if text.rows == 0 {
			continue
		}
		m := all[i]
		i++
		g.Expect(m.CreatedAt).To(Equal(timeOf(at)))
		g.Expect(m.UpdatedAt).To(Equal(m.CreatedAt))
		g.Expect(m.Hash).To(Equal(store.Hash(m.Data)))
		var v struct {
			Status *string
			A      *float64
			B      *struct{ C *float64 }
		}
		g.Expect(json.Unmarshal(m.Data, &v)).To(Succeed())
		g.Expect(string(m.Data)).To(HavePrefix(`{"status":"`))
		if len(text.texts) > 0 {
			g.Expect(*v.Status).To(Equal(text.texts[len(text.texts)-1]))
		}
		if a := h.in("a", at, at+60_000); a.held > 0 {
			g.Expect(*v.A).To(Equal(a.last()))
		}
		if c := h.in("b.c", at, at+60_000); c.held > 0 {
			g.Expect(*v.B.C).To(Equal(c.last()))
		}
	}
	g.Expect(all).To(HaveLen(i))
	newest := rowsOf(g, r, store.Query{}, time.Time{})
	g.Expect(newest).To(HaveLen(i))
	for n, m := range newest {
		g.Expect(m).To(Equal(all[i-1-n]))
	}
	from, to := all[i/3].CreatedAt, all[2*i/3].CreatedAt
	g.Expect(rowsOf(g, r, store.Query{From: from, To: to, OldestFirst: true}, time.Time{})).To(Equal(all[i/3 : 2*i/3+1]))
	g.Expect(rowsOf(g, r, store.Query{From: from, To: to, Limit: 3}, time.Time{})).To(Equal([]store.Metric{all[2*i/3], all[2*i/3-1], all[2*i/3-2]}))
	g.Expect(rowsOf(g, r, store.Query{OldestFirst: true}, to.Add(time.Second))).To(Equal(all[:2*i/3]), "the minute goes on after before")
}

// everyHalfMinute saves rows of a region that nobody ever asked for outcomes.
func everyHalfMinute(m *memory, from time.Time, n int) time.Time {
	for i := range n {
		m.save(from.Add(time.Duration(i)*30*time.Second), sampleValue(i), from.Add(time.Duration(i)*30*time.Second))
	}
	return from.Add(time.Duration(n) * 30 * time.Second)
}

func TestRowsComeFromTheFinestTierThatStillHasThem(t *testing.T) {
	g := NewWithT(t)
	m := newMemory()
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	now := everyHalfMinute(m, from, 4*2880).Add(time.Hour).UnixMilli()
	runnerOn(m, 1, &now).round(context.Background())
	for k, c := range m.chunks {
		if c.Tier == store.TierMinute && c.Start.Before(from.Add(49*time.Hour)) || c.Tier == store.TierHour && c.Start.Before(from.Add(24*time.Hour)) {
			delete(m.chunks, k)
		}
	}
	rows := rowsOf(g, m, store.Query{OldestFirst: true}, from.Add(73*time.Hour))
	g.Expect(rows).To(HaveLen(1 + 25 + 24*60))
	g.Expect(rows[0].CreatedAt).To(Equal(from))
	g.Expect(rows[1].CreatedAt).To(Equal(from.Add(24 * time.Hour)))
	g.Expect(rows[26].CreatedAt).To(Equal(from.Add(49 * time.Hour)))
	g.Expect(string(rows[0].Data)).To(HavePrefix(`{"status":"ok","results":{"stats":{"server":{"cpu_load":8.85,"active_connections":853,"wait_time":27.5}},"memory":{"used_0":2879,"used_1":`))
	newest := rowsOf(g, m, store.Query{Limit: 24*60 + 10}, from.Add(73*time.Hour))
	g.Expect(newest).To(HaveLen(24*60 + 10))
	g.Expect(newest[24*60+9]).To(Equal(rows[16]))
}

func TestRowsOfARegionThatIsNotRolledUpAreNone(t *testing.T) {
	g := NewWithT(t)
	g.Expect(rowsOf(g, newMemory(), store.Query{}, time.Time{})).To(BeEmpty())
}

func TestValuesAreWrittenAsNestedJSON(t *testing.T) {
	g := NewWithT(t)
	values := func(v ...float64) (all []value) {
		for _, f := range v {
			if math.IsNaN(f) {
				all = append(all, value{})
			} else {
				all = append(all, value{kind: numeric, number: f})
			}
		}
		return all
	}
	root := treeOf([]string{"b.x", "a", "b.y.z", `c\.d`, "list.0.n", "a.deep"})
	nan := math.NaN()
	write := func(v ...float64) string { return string(root.append(nil, values(v...))) }
	g.Expect(write(1, 2, 3, 4, 5, nan)).To(Equal(`{"b":{"x":1,"y":{"z":3}},"a":2,"c.d":4,"list":{"0":{"n":5}}}`))
	g.Expect(write(nan, 2.5, nan, nan, nan, nan)).To(Equal(`{"a":2.5}`))
	g.Expect(write(nan, nan, 1e300, nan, nan, 7)).To(Equal(`{"b":{"y":{"z":1e+300}},"a":{"deep":7}}`))
	g.Expect(write(nan, 1, nan, nan, nan, 7)).To(Equal(`{"a":{"deep":7}}`))
	g.Expect(write(nan, nan, nan, nan, nan, nan)).To(BeEmpty())
	text := treeOf([]string{"status"}).append(nil, []value{{kind: textual, text: "\"größer\"\n"}})
	g.Expect(strings.Contains(string(text), `\"größer\"\n`)).To(BeTrue())
}
