package socket

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestDashboardsAreToldEachValueOnceAndNoOlderOneAfterANewer(t *testing.T) {
	g := NewWithT(t)
	at := func(ms int64) time.Time { return time.UnixMilli(ms) }
	var known told
	g.Expect(known.advance("r", "a", at(10))).To(BeTrue())
	g.Expect(known.advance("r", "a", at(10))).To(BeFalse(), "the same again")
	g.Expect(known.advance("r", "b", at(9))).To(BeFalse(), "an older one")
	g.Expect(known.advance("r", "b", at(11))).To(BeTrue())
	g.Expect(known.advance("r", "a", at(12))).To(BeTrue(), "a value may return")
	g.Expect(known.advance("other", "b", at(1))).To(BeTrue())
	g.Expect(known.same("r", "a")).To(BeTrue())
}
