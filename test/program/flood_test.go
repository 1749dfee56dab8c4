package program

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = DescribeTable("clients that flood it and connect again and again cost bounded work, and a dashboard beside them hears of changes", func(packet string) {
	const clients, lasts = 4, 2500 * time.Millisecond
	s := startStored(0, time.Now())
	message, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte(packet)) // compressed once
	Expect(err).NotTo(HaveOccurred())
	dialer := websocket.Dialer{EnableCompression: true}
	before, known := workOf(s.cmd.Process.Pid)
	if !known {
		Skip("this system does not tell the CPU time of a process under /proc")
	}
	until := time.Now().Add(lasts)
	var flood sync.WaitGroup
	for range clients {
		flood.Go(func() {
			for time.Now().Before(until) {
				ws, resp, err := dialer.Dial("ws://"+s.addr+"/socket.io/?EIO=4&transport=websocket", nil)
				if err != nil {
					continue
				}
				_ = resp.Body.Close()
				_ = ws.WriteMessage(websocket.TextMessage, []byte("40"))
				_ = ws.SetWriteDeadline(until)
				for time.Now().Before(until) && ws.WritePreparedMessage(message) == nil {
				}
				_ = ws.Close()
				time.Sleep(50 * time.Millisecond) // as quickly as clients connect again
			}
		})
	}
	for time.Now().Before(until) {
		s.hear()
	}
	flood.Wait()
	after, _ := workOf(s.cmd.Process.Pid)
	// Without a bound the clients would keep both of two cores at work.
	Expect(after-before).To(BeNumerically("<", lasts), "CPU time")
	if most, known := mostMemory(s.cmd.Process.Pid); known {
		Expect(most).To(BeNumerically("<", 256), "MiB")
	}
	stop(s.cmd, "10s")
},
	Entry("with questions of a megabyte that are small on the wire", `42["metrics:get",{"x":"`+strings.Repeat("a", 990_000)+`"}]`),
	Entry("with heartbeats of a megabyte", "3"+strings.Repeat("a", 990_000)),
	Entry("with more than a packet may have", `42["x","`+strings.Repeat("a", 5_000_000)+`"]`),
	Entry("with short questions", `42["metrics:get",{}]`),
)

// workOf returns the CPU time of a process, where the system tells it.
func workOf(pid int) (time.Duration, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	_, fields, _ := strings.Cut(string(text), ") ")
	var user, system int64
	all := strings.Fields(fields)
	if len(all) < 13 {
		return 0, false
	}
	_, err1 := fmt.Sscan(all[11], &user)
	_, err2 := fmt.Sscan(all[12], &system)
	return time.Duration(user+system) * 10 * time.Millisecond, err1 == nil && err2 == nil
}
