package socket

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// little is a Memory of a few bytes.
type little struct{ used, most atomic.Int64 }

func (l *little) Max() int64      { return l.most.Load() }
func (l *little) Release(n int64) { l.used.Add(-n) }
func (l *little) Reserve(n int64) bool {
	if l.used.Add(n) > l.most.Load() {
		l.used.Add(-n)
		return false
	}
	return true
}

func TestAnswersWaitForTheMemoryOfOthers(t *testing.T) {
	g := NewWithT(t)
	memory := new(little)
	memory.most.Store(100)
	h := &Hub{Options: Options{Memory: memory}}
	g.Expect(h.room(t.Context(), 80)).To(Succeed())
	soon, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	g.Expect(h.room(soon, 80)).To(MatchError(errNoMemory))
	waited := make(chan error, 1)
	go func() { waited <- h.room(t.Context(), 80) }()
	g.Consistently(waited, "30ms").ShouldNot(Receive())
	l := lease{memory: memory, reserved: 80}
	g.Expect(l.take(80)).To(Succeed())
	g.Expect(l.take(20)).To(Succeed(), "more than was expected")
	g.Expect(l.take(1)).To(MatchError(errNoMemory))
	l.end()
	g.Eventually(waited).Should(Receive(Succeed()))
	g.Expect(memory.used.Load()).To(BeEquivalentTo(80))
}
