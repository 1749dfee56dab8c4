package wire

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// StartSentinel starts a Redis Sentinel that watches over the master under the
// name "main" and puts a replica in its place within seconds. It returns the
// Sentinel's address and ends with the test.
func StartSentinel(tb TB, master *Redis) string {
	tb.Helper()
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		tb.Fatalf("the master's address %s cannot be read: %v", master.Addr, err)
	}
	own := freePort(tb)
	config := filepath.Join(tb.TempDir(), "sentinel.conf") // which it writes too
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor main %s %s 1\nsentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n",
		own, filepath.Dir(config), host, port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		tb.Fatalf("the Sentinel's configuration cannot be written: %v", err)
	}
	cmd := exec.Command("redis-server", config, "--sentinel")
	if err := cmd.Start(); err != nil {
		tb.Fatalf("the Sentinel does not start: %v", err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was told to
	})
	addr := "127.0.0.1:" + own
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
			return addr
		}
		if time.Now().After(deadline) {
			tb.Fatalf("the Sentinel does not listen: %v", err)
		}
	}
}
