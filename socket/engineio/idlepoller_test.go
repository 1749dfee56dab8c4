//go:build linux && !portable

package engineio

import (
	"runtime"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("a websocket that has nothing to say", func() {
	It("costs no goroutine, and is heard when it speaks again", func() {
		srv, url, reasons := echo(Options{})
		first := dial(url + "&transport=websocket")
		Expect(read(first)).To(HavePrefix("0{")) // and the idle poller runs
		Eventually(runtime.NumGoroutine, "10s").Should(BeNumerically("<", 100))
		before := runtime.NumGoroutine()
		for range 100 {
			ws := dial(url + "&transport=websocket")
			Expect(read(ws)).To(HavePrefix("0{"))
			write(ws, "4hello")
			Expect(read(ws)).To(Equal("4hello"))
		}
		Expect(srv.Count()).To(Equal(101))
		Eventually(runtime.NumGoroutine, "10s").Should(BeNumerically("<", before+50))
		write(first, "4still here")
		Expect(read(first)).To(Equal("4still here"))
		Expect(first.Close()).To(Succeed())
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonTransportClose)))
	})

	It("is read to the end of a packet that comes in pieces", func() {
		_, url, _ := echo(Options{})
		ws := dial(url + "&transport=websocket")
		Expect(read(ws)).To(HavePrefix("0{"))
		text := "4" + strings.Repeat("x", 3000)
		frame := append([]byte{0x81, 0x80 | 126, byte(len(text) >> 8), byte(len(text)), 0, 0, 0, 0}, text...)
		for _, piece := range [][]byte{frame[:1], frame[1:5], frame[5:600], frame[600:]} {
			_, err := ws.NetConn().Write(piece)
			Expect(err).NotTo(HaveOccurred())
			runtime.Gosched()
		}
		Expect(read(ws)).To(Equal(text))
	})

	It("is told when the server closes, not with its next heartbeat", func(ctx SpecContext) {
		srv, url, reasons := echo(Options{PingInterval: time.Hour})
		ws := dial(url + "&transport=websocket")
		Expect(read(ws)).To(HavePrefix("0{"))
		over := make(chan error, 1)
		go func() { over <- srv.Close(ctx) }()
		Expect(closed(ws).Code).To(Equal(int(closeGoingAway)))
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonShutdown)))
		Eventually(over, "10s").Should(Receive(Succeed()))
	})
})
