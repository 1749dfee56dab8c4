package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/api"
	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("an export", func() {
	It("takes the same memory however long it is", func() {
		s := serve(func(o *api.Options) { o.History, o.Past = endless{rows: 400_000}, nil })
		resp, err := http.Get(s.url + "/api/v1/history?format=ndjson")
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = resp.Body.Close() }()
		var most, before runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		size := 0
		for part := make([]byte, 1<<20); ; {
			n, err := io.ReadFull(resp.Body, part)
			if size += n; err != nil {
				break
			}
			if size%(64<<20) < 1<<20 {
				runtime.GC()
				runtime.ReadMemStats(&most)
				Expect(int64(most.HeapAlloc)-int64(before.HeapAlloc)).To(BeNumerically("<", 16<<20), "after %d bytes", size)
			}
		}
		Expect(size).To(BeNumerically(">", 200<<20))
	})

	It("that nobody reads ends, and does not hold up others for ever", func() {
		var scanning atomic.Int64
		s := serve(func(o *api.Options) {
			o.History, o.Past, o.MaxExports, o.Stall, o.Wait = endless{rows: 1 << 40, running: &scanning}, nil, 1, 200*time.Millisecond, 30*time.Second
		})
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = conn.Close() }()
		_, err = io.WriteString(conn, "GET /api/v1/history?format=ndjson HTTP/1.1\r\nHost: x\r\n\r\n")
		Expect(err).NotTo(HaveOccurred())
		// How far it comes is for the buffers of the network to say.
		Eventually(scanning.Load).Should(BeNumerically(">", 3))
		// The second one waits until the first has ended.
		resp, err := http.Get(s.url + "/api/v1/history?format=csv")
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.StatusCode).To(Equal(http.StatusOK))
		_ = resp.Body.Close()
	})

	It("beyond the number that is allowed at one time is 503, and a page is not", func() {
		s := serve(func(o *api.Options) {
			o.History, o.Past, o.MaxExports, o.Wait = endless{rows: 1 << 40}, nil, 1, time.Millisecond
		})
		resp, err := http.Get(s.url + "/api/v1/history?format=ndjson")
		Expect(err).NotTo(HaveOccurred())
		a := s.get("/api/v1/history?format=csv")
		a.refused(503, "exports")
		Expect(a.Header.Get("Retry-After")).NotTo(BeEmpty())
		Expect(s.get("/api/v1/history?limit=10").StatusCode).To(Equal(200))
		Expect(resp.Body.Close()).To(Succeed())
		Eventually(func() int {
			resp, err := http.Get(s.url + "/api/v1/history?format=ndjson")
			Expect(err).NotTo(HaveOccurred())
			_ = resp.Body.Close()
			return resp.StatusCode
		}).Should(Equal(200), "the one before has ended with its client")
	})
})

var _ = Describe("answers that wait for clients", func() {
	It("take no more memory than is allowed, and give it back", func() {
		memory := &budget{most: 700 << 10} // one export
		s := serve(func(o *api.Options) {
			o.History, o.Past, o.Memory, o.Wait, o.Stall = endless{rows: 1 << 40}, nil, memory, time.Millisecond, 300*time.Millisecond
		})
		var open []net.Conn
		for range 5 {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			Expect(err).NotTo(HaveOccurred())
			defer func() { _ = conn.Close() }()
			_, err = io.WriteString(conn, "GET /api/v1/history?format=ndjson HTTP/1.1\r\nHost: x\r\n\r\n")
			Expect(err).NotTo(HaveOccurred())
			open = append(open, conn)
		}
		Expect(open).NotTo(BeEmpty())
		Eventually(func() int { return s.get("/api/v1/history?limit=100").StatusCode }, "5s", "1ms").Should(Equal(http.StatusServiceUnavailable))
		Eventually(memory.used.Load, "10s").Should(BeZero(), "those who do not read are disconnected")
		Expect(memory.peak.Load()).To(BeNumerically("<=", 700<<10))
		Expect(s.get("/api/v1/history?limit=100").StatusCode).To(Equal(http.StatusOK))
	})
})

// budget is a Memory of some bytes.
type budget struct {
	most       int64
	used, peak atomic.Int64
}

func (b *budget) Reserve(n int64) bool {
	used := b.used.Add(n)
	if used > b.most {
		b.used.Add(-n)
		return false
	}
	b.peak.Store(max(b.peak.Load(), used))
	return true
}

func (b *budget) Release(n int64) { b.used.Add(-n) }

// endless is a long history.
type endless struct {
	rows    int
	running *atomic.Int64 // counts the looks into it
}

func (e endless) Scan(ctx context.Context, q store.Query, each func(store.Metric) error) error {
	if e.running != nil {
		e.running.Add(1)
	}
	var begin int
	if q.After != "" {
		if _, err := fmt.Sscan(q.After, &begin); err != nil {
			return err
		}
		begin++
	}
	data := json.RawMessage(`{"text":"` + strings.Repeat("x", 600) + `"}`)
	for i := begin; i < min(begin+q.Limit, e.rows); i++ {
		m := store.Metric{API: "acme", Source: "eu-west", Data: data, Hash: "00", CreatedAt: epoch, UpdatedAt: epoch, ID: fmt.Sprint(i)}
		if err := each(m); err != nil {
			return err
		}
	}
	return nil
}
