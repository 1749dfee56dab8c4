package network

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller"
)

func TestRegionsThatFailTogetherShareOneCheckThatIsBounded(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t)
		w.up(eu)
		cut(w)
		time.Sleep(time.Second)
		before, began := w.dialled(gateway), time.Now()
		time.Sleep(time.Second)
		asked := time.Now()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				r := poller.Result{Host: eu, Began: began, Ended: time.Now(), Err: &poller.Error{Code: poller.CodeTimeout}}
				w.g.Expect(w.Judge(context.Background(), r)).To(BeTrue())
			})
		}
		all.Wait()
		w.g.Expect(w.dialled(gateway)-before).To(Equal(1), "one check for all")
		w.g.Expect(time.Since(asked)).To(Equal(1500 * time.Millisecond))
	})
}

func TestTheEndOfAPollerCutsACheckShortAndNobodyElses(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t)
		w.up(eu)
		cut(w)
		time.Sleep(time.Second)
		failed := poller.Result{Host: eu, Began: time.Now(), Ended: time.Now(), Err: &poller.Error{Code: poller.CodeTimeout}}
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		first, second := make(chan bool, 1), make(chan bool, 1)
		began := time.Now()
		go func() { first <- w.Judge(ctx, failed) }()
		time.Sleep(10 * time.Millisecond)
		go func() { second <- w.Judge(context.Background(), failed) }()
		w.g.Expect(<-first).To(BeFalse(), "nobody knows")
		w.g.Expect(time.Since(began)).To(Equal(100 * time.Millisecond))
		w.g.Expect(<-second).To(BeTrue())
	})
}

func TestACheckDuringWhichTheProcessWasStoppedIsMadeAgain(t *testing.T) {
	in(t, func(t *testing.T) {
		var w *world
		stopped := false
		w = newWorld(t, func(o *Options) {
			o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if stopped {
					time.Sleep(time.Hour)
					w.set(accepts, gateway)
					stopped = false
					return nil, context.DeadlineExceeded
				}
				return w.dial(ctx, network, address)
			}
			o.Witnesses = func() []string { return []string{gateway} }
		})
		w.up(eu)
		w.set(silent, gateway)
		time.Sleep(time.Second)
		stopped = true
		before := w.dialled(gateway)
		w.g.Expect(w.timesOut(eu)).To(BeFalse())
		w.g.Expect(w.dialled(gateway)-before).To(Equal(1), "it was asked once more")
	})
}
