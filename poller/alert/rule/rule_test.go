package rule

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/goleak"

	"github.com/devops-insights/devops-insights/store"
)

func TestRule(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Rules of alerts")
	// Ginkgo keeps one goroutine for interrupts.
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

// at is the time of the specs.
var at = time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC)

// sick is a region that is down by what its value says.
func sick() Region {
	return Region{
		API: "acme", Region: "eu-west", State: store.StateDown, Reason: "fire", Failures: 3, Latency: 1500 * time.Millisecond,
		ValueAt: at.Add(-time.Minute), ChangedAt: at.Add(-time.Hour), PolledAt: at.Add(-time.Second),
		Data: json.RawMessage(`{
			"status": "fire", "updatedAt": "2026-12-01T02:50:00Z", "id": 9007199254740993, "huge": 1e999, "nothing": null, "text": "95",
			"cpu": 95.5, "list": [1, 2, 3], "nodes": {"b": {"cpu": 10}, "a": {"cpu": 99}}, "deep": {"er": {"ok": true}}, "a.b": 1
		}`),
	}
}

// overRegion are facts of the one region; change may change it.
func overRegion(change ...func(*Facts)) Facts {
	region := sick()
	f := Facts{Now: at, API: "acme", Region: &region}
	for _, c := range change {
		c(&f)
	}
	return f
}

// overAll are facts of three regions: one is down, one up, one unknown and
// without a value.
func overAll(change ...func(*Facts)) Facts {
	f := Facts{Now: at, API: "acme", Regions: []Region{
		sick(),
		{API: "acme", Region: "us-east", State: store.StateUp, Data: json.RawMessage(`{"status":"ok","cpu":20}`), ValueAt: at, ChangedAt: at},
		{API: "acme", Region: "sa-east", State: store.StateUnknown, Stale: true},
	}}
	for _, c := range change {
		c(&f)
	}
	return f
}

// watched answers with the percentages of regions, in any window.
func watched(percent map[string]float64) func(*Facts) {
	return func(f *Facts) {
		f.Uptime = func(region string, _ time.Duration) (float64, bool) {
			p, ok := percent[region]
			return p, ok
		}
	}
}

func compiled(expr string, change ...func(*Rule)) *Compiled {
	GinkgoHelper()
	r := Rule{Name: "spec", Expr: expr}
	for _, c := range change {
		c(&r)
	}
	made, err := Compile(r)
	Expect(err).NotTo(HaveOccurred())
	return made
}

func holds(expr string, f Facts) bool {
	GinkgoHelper()
	is, err := compiled(expr).Holds(f)
	Expect(err).NotTo(HaveOccurred())
	return is
}

// wrong returns what an error says with its place.
func wrong(err error) string {
	GinkgoHelper()
	var e *Error
	Expect(errors.As(err, &e)).To(BeTrue(), "%v", err)
	return e.Error()
}

func cannot(expr string, f Facts) string {
	GinkgoHelper()
	is, err := compiled(expr).Holds(f)
	Expect(is).To(BeFalse())
	return wrong(err)
}
