//go:build unix

package network

import (
	"net"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/silence"
)

func TestWitnessesOverRealSockets(t *testing.T) {
	g := NewWithT(t)
	closed, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(closed.Close()).To(Succeed())
	place := silence.New(t)
	w := New(Options{Timeout: 500 * time.Millisecond})
	ask := func(addresses ...string) map[string]bool { return w.dial(t.Context(), addresses, false) }

	g.Expect(ask(place.Addr(), closed.Addr().String())).To(Equal(map[string]bool{place.Addr(): true, closed.Addr().String(): true}))
	place.Silence()
	g.Expect(ask(place.Addr())).To(BeEmpty())
	g.Expect(ask(place.Addr(), closed.Addr().String())).To(HaveLen(1))
	place.Speak()
	g.Eventually(func() map[string]bool { return ask(place.Addr()) }, 15*time.Second).Should(HaveLen(1))
	g.Expect(ask("nobody.invalid:no-port")).To(BeEmpty())
}
