package socket

import (
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

// pastRow is row n of a history, counted from the newest.
func pastRow(n int, source, status string, size int) store.Metric {
	data := fmt.Sprintf(`{"n":%d,"status":%q,"pad":%q}`, n, status, strings.Repeat("x", size))
	return store.Metric{API: "acme", Source: source, Data: []byte(data), CreatedAt: time.UnixMilli(int64(1e12 - n))}
}

func numbers(rows []store.Metric) (all []int) {
	for _, r := range rows {
		all = append(all, 1e12-int(r.CreatedAt.UnixMilli()))
	}
	return all
}

func TestAHistoryThatFitsIsWhole(t *testing.T) {
	g := NewWithT(t)
	c := collector{most: 1 << 20}
	for n := range 100 {
		c.add(pastRow(n, "eu-west", "ok", 1000))
	}
	rows, thinned := c.result()
	g.Expect(thinned).To(BeFalse())
	g.Expect(rows).To(HaveLen(100))
	rows, thinned = (&collector{most: 1}).result()
	g.Expect(thinned).To(BeFalse())
	g.Expect(rows).To(BeEmpty())
}

func TestAHistoryThatDoesNotFitIsThinnedEvenlyAndKeepsItsEndsAndTheChangesOfStatus(t *testing.T) {
	g := NewWithT(t)
	c := collector{most: 200_000}
	status := func(n int) string {
		if n >= 4001 && n < 4011 {
			return "error"
		}
		return "ok"
	}
	for n := range 10_000 {
		c.add(pastRow(n, "eu-west", status(n), 1000))
	}
	rows, thinned := c.result()
	g.Expect(thinned).To(BeTrue())
	kept := numbers(rows)
	g.Expect(kept[0]).To(Equal(0))
	g.Expect(kept[len(kept)-1]).To(Equal(9999))
	g.Expect(kept).To(ContainElements(4000, 4010), "the newer row at each change")
	g.Expect(len(rows)).To(BeNumerically(">", 70))
	size := 0
	for i, r := range rows {
		size += len(r.Data) + rowOverhead
		if i > 0 {
			g.Expect(kept[i]-kept[i-1]).To(BeNumerically("<=", 260), "no hole in the range")
			g.Expect(kept[i]).To(BeNumerically(">", kept[i-1]))
		}
	}
	g.Expect(size).To(BeNumerically("<=", 200_000+2*1300))
}

func TestAHistoryOfChangesOnlyIsThinnedToo(t *testing.T) {
	g := NewWithT(t)
	c := collector{most: 100_000}
	for n := range 5000 {
		c.add(pastRow(n, []string{"eu-west", "us-east"}[n%2], []string{"ok", "error"}[n/2%2], 1000))
	}
	rows, thinned := c.result()
	g.Expect(thinned).To(BeTrue())
	g.Expect(len(rows)).To(And(BeNumerically(">", 30), BeNumerically("<", 90)))
	kept := numbers(rows)
	g.Expect(kept[0]).To(Equal(0))
	g.Expect(kept[len(kept)-1]).To(Equal(4999))
}

func TestRowsLargerThanAnAnswerLeaveItsEnds(t *testing.T) {
	g := NewWithT(t)
	c := collector{most: 1000}
	for n := range 5 {
		c.add(pastRow(n, "eu-west", "ok", 10_000))
	}
	rows, thinned := c.result()
	g.Expect(thinned).To(BeTrue())
	g.Expect(numbers(rows)).To(Equal([]int{0, 4}))
}
