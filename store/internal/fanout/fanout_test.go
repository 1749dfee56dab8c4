package fanout_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/internal/fanout"
)

func change(n int) store.Change { return store.Change{Metric: store.Metric{Hash: fmt.Sprint(n)}} }

func TestEveryListenerHearsAllChangesInOrder(t *testing.T) {
	g := NewWithT(t)
	var f fanout.Fanout
	a, b := f.Listen(), f.Listen()
	for n := range 100 {
		f.Send(change(n), nil)
	}
	for n := range 100 {
		g.Expect(<-a.Changes()).To(Equal(change(n)))
		g.Expect(<-b.Changes()).To(Equal(change(n)))
	}
	a.Close()
	a.Close()
	f.Send(change(100), nil)
	g.Expect(a.Changes()).NotTo(Receive())
	g.Expect(b.Changes()).To(Receive())
}

func TestSendWaitsForAListenerThatLagsUntilItIsClosedOrStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var f fanout.Fanout
		fill := func() (l *fanout.Listener, sent chan int, stop chan struct{}) {
			l, sent, stop = f.Listen(), make(chan int, 1000), make(chan struct{})
			go func() {
				defer close(sent)
				for n := range 1000 {
					f.Send(change(n), stop)
					sent <- n
				}
			}()
			synctest.Wait()
			return l, sent, stop
		}
		l, sent, _ := fill()
		g.Expect(len(sent)).To(BeNumerically("<", 1000), "it waits")
		before := len(sent)
		<-l.Changes()
		synctest.Wait()
		g.Expect(sent).To(HaveLen(before + 1))
		l.Close()
		synctest.Wait()
		g.Expect(sent).To(HaveLen(1000))
		l, sent, stop := fill()
		defer l.Close()
		close(stop)
		synctest.Wait()
		g.Expect(sent).To(HaveLen(1000))
	})
}
