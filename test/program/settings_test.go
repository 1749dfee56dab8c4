package program

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/devops-insights/devops-insights/test/binary"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("the commands", func() {
	It("explain themselves on stdout", func() {
		for _, args := range [][]string{{"--help"}, {"help"}, {"-h"}, {"serve", "--help"}, {"config", "--help"}} {
			stdout, stderr, code := finish(args)
			Expect([]any{stderr, code}).To(Equal([]any{"", 0}), "%v", args)
			for _, part := range []string{"healthcheck", "SERVER_PORT", "(default 5000)", "UPSTREAM_HEADER_<NAME>", "LOG_FORMAT", "CONFIG_FILE", "--data-dir"} {
				Expect(stdout).To(ContainSubstring(part))
			}
		}
		for _, args := range [][]string{{"--version"}, {"version"}, {"serve", "--version"}} {
			stdout, stderr, code := finish(args)
			Expect([]any{stdout, stderr, code}).To(Equal([]any{"1.0.0\n", "", 0}))
		}
	})

	It("print settings that can be read back", func() {
		environ := []string{"UPSTREAM_URL=https://u:hunter2@h/hunter2/{source}", "POLL_INTERVALS=eu-west=10s,us-east=11s", "UPSTREAM_HEADERS=A: hunter2\nB: x", "NODE_ENV=a b#c"}
		first, _, code := finish([]string{"config"}, environ...)
		Expect(code).To(BeZero())
		Expect(first).NotTo(ContainSubstring("hunter2"))
		file := filepath.Join(GinkgoT().TempDir(), "settings")
		Expect(os.WriteFile(file, []byte(first), 0o600)).To(Succeed())
		cmd := command([]string{"config"}, "CONFIG_FILE="+file)
		cmd.Env = []string{"CONFIG_FILE=" + file}
		second, err := cmd.Output()
		Expect(err).NotTo(HaveOccurred())
		Expect(string(second)).To(Equal(first))
	})

	DescribeTable("end with 78 and a sentence, at once, on a setting that cannot work", func(setting, part string) {
		stdout, stderr, code := finish(nil, setting)
		Expect(code).To(Equal(78), stdout+stderr)
		Expect(stdout + stderr).To(ContainSubstring(part))
		Expect(stdout + stderr).NotTo(ContainSubstring("hunter2"))
	},
		Entry(nil, "DATABASE_URL=mongodb://u:hunter2%zz@h/x", "DATABASE_URL"),
		Entry(nil, "DATABASE_URL=mongodb://u:hunter2@h:port/x", "DATABASE_URL"),
		Entry(nil, "UPSTREAM_URL=h/{source}?key=hunter2", "UPSTREAM_URL"),
		Entry(nil, "INTERNAL_ADDR=5001", "INTERNAL_ADDR"),
		Entry(nil, "UPSTREAM_HEADERS=Bad name: hunter2", "UPSTREAM_HEADERS"),
		Entry(nil, "POLL_INTERVALS=mars=10s", "POLL_INTERVALS"),
		Entry(nil, "CLIENT_URL=dashboards.example", "CLIENT_URL"),
		Entry(nil, "DATA_DIR=/dev/null", "DATA_DIR"),
		Entry(nil, "DATA_DIR=/proc/nothing", "DATA_DIR"),
		Entry(nil, "DATABASE_URL_FILE=/nothing", "DATABASE_URL_FILE"),
	)

	It("never show the content of a settings file that cannot be used", func() {
		cmd := command(nil)
		Expect(os.WriteFile(filepath.Join(cmd.Dir, ".env"), []byte("DATABASE_URL=\"mongodb://u:hunter2@h\nPASSWORD hunter2\nSERVER_PORT=many\n'hunter2"), 0o600)).To(Succeed())
		out, err := cmd.CombinedOutput()
		Expect(err).To(HaveOccurred())
		Expect(cmd.ProcessState.ExitCode()).To(Equal(78))
		Expect(string(out)).To(And(ContainSubstring("SERVER_PORT"), Not(ContainSubstring("hunter2"))))
	})

	DescribeTable("never show a value of the settings file either, which may hold what somebody meant to write elsewhere", func(text, name string) {
		cmd := command(nil)
		cmd.Env = []string{} // nothing goes before the file
		Expect(os.WriteFile(filepath.Join(cmd.Dir, ".env"), []byte(text), 0o600)).To(Succeed())
		out := new(binary.Output)
		cmd.Stdout, cmd.Stderr = out, out
		Expect(cmd.Start()).To(Succeed())
		await(cmd, "20s")
		Expect(cmd.ProcessState.ExitCode()).To(Equal(78), out.String())
		Expect(out.String()).To(And(ContainSubstring(name), Not(ContainSubstring("hunter2"))))
	},
		Entry("a quote that goes on", "SERVER_PORT=\"5000\nDATABASE_URL=mongodb://u:hunter2@h/x\nLOG_LEVEL=\"info\"", "SERVER_PORT"),
		Entry("a number", "SERVER_PORT=hunter2", "SERVER_PORT"),
		Entry("bytes", "MAX_MEMORY=hunter2", "MAX_MEMORY"),
		Entry("a duration", "POLL_INTERVAL=' hunter2 '", "POLL_INTERVAL"),
		Entry("a switch", "ALLOW_EIO3=hunter2", "ALLOW_EIO3"),
		Entry("one origin of several", "CLIENT_URL=https://a.example, hunter2", "CLIENT_URL"),
		Entry("one network of several", "TRUSTED_PROXIES=10.0.0.0/8,hunter2", "TRUSTED_PROXIES"),
		Entry("a choice", "LOG_LEVEL=hunter2", "LOG_LEVEL"),
		Entry("another choice", "LOG_FORMAT=hunter2", "LOG_FORMAT"),
		Entry("a third choice", "ORIGIN_CHECK=hunter2", "ORIGIN_CHECK"),
		Entry("subscriptions", "REDIS_HOST=h\nREDIS_SUBSCRIPTIONS=hunter2", "REDIS_SUBSCRIPTIONS"),
		Entry("an address", "SERVER_HOST=u:hunter2@h", "SERVER_HOST"),
		Entry("another address", "INTERNAL_ADDR=hunter2", "INTERNAL_ADDR"),
		Entry("an interval of a region", "POLL_INTERVALS=us-east=hunter2", "POLL_INTERVALS"),
		Entry("a region", "POLL_INTERVALS=hunter2=5s", "POLL_INTERVALS"),
		Entry("a name of an API", "EXTERNAL_API_NAME=hunter2/x y", "EXTERNAL_API_NAME"),
		Entry("a file", "REDIS_HOST=rediss://h\nREDIS_TLS_CA=hunter2", "REDIS_TLS_CA"),
		Entry("a directory", "DATA_DIR=/dev/null/hunter2", "DATA_DIR"),
		Entry("a file of a secret", "DATABASE_URL_FILE=hunter2", "DATABASE_URL_FILE"),
	)

	It("warn of a name that nearly is a setting, and go on", func() {
		port, out := freePort(), new(binary.Output)
		cmd := command(nil, "SERVER_PORT="+port, "SERVER_PROT=1")
		cmd.Stdout = out
		start(cmd)
		ready("127.0.0.1:" + port)
		Expect(out.String()).To(ContainSubstring("SERVER_PROT is no setting and is not used: is SERVER_PORT meant?"))
		stop(cmd, "10s")
	})

	It("say at once why the database cannot be used, which is no bad setting", func() {
		port, out := freePort(), new(binary.Output)
		cmd := command(nil, "SERVER_PORT="+port, "DATABASE_URL=mongodb://u:hunter2@127.0.0.1:1/x")
		cmd.Stdout = out
		start(cmd)
		Eventually(out.String, "5s").Should(ContainSubstring("refuses the connection"))
		Expect(out.String()).NotTo(ContainSubstring("hunter2"))
		stop(cmd, "10s")
	})
})

var _ = Describe("healthcheck", func() {
	DescribeTable("asks where the server listens", func(host string, environ ...string) {
		if l, err := net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
			Skip(host + " is no address of this machine")
		} else {
			Expect(l.Close()).To(Succeed())
		}
		port, internal := freePorts(2), freePort() // the second one is for PORT_OFFSET=1
		environ = append(environ, "SERVER_PORT="+port, "SERVER_HOST="+host, "HTTP_PROXY=http://127.0.0.1:1", "http_proxy=http://127.0.0.1:1")
		for i := range environ {
			environ[i] = strings.ReplaceAll(environ[i], "INTERNAL", internal)
		}
		cmd := command(nil, environ...)
		out := new(binary.Output)
		cmd.Stdout = out
		start(cmd)
		check := func() string {
			_, stderr, code := finish([]string{"healthcheck"}, environ...)
			if code != 0 {
				return "not healthy: " + stderr
			}
			return ""
		}
		Eventually(check, "20s", "50ms").Should(BeEmpty(), out.String)
		stop(cmd, "10s")
		Expect(check()).NotTo(BeEmpty())
	},
		Entry("on one address", "127.0.0.2"),
		Entry("on IPv6", "::1"),
		Entry("on all", ""),
		Entry("on another port", "127.0.0.1", "PORT_OFFSET=1"),
		Entry("on the internal address", "127.0.0.1", "INTERNAL_ADDR=127.0.0.3:INTERNAL"),
	)

	It("does not believe another program", func() {
		for _, answer := range []string{`{"ready":true}`, `ok`, `{"service":"other"}`} {
			stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
			DeferCleanup(stranger.Close)
			port := stranger.URL[strings.LastIndex(stranger.URL, ":")+1:]
			_, stderr, code := finish([]string{"healthcheck"}, "SERVER_PORT="+port)
			Expect(code).To(Equal(1))
			Expect(stderr).To(ContainSubstring("another program"))
		}
	})
})

var _ = Describe("the channel of PM2", func() {
	It("is never a file that happens to have its number", func() {
		port, out := freePort(), new(binary.Output)
		cmd := command(nil, "SERVER_PORT="+port, "NODE_CHANNEL_FD=3")
		cmd.Stdout = out
		path := filepath.Join(cmd.Dir, "file")
		Expect(os.WriteFile(path, []byte("untouched"), 0o600)).To(Succeed())
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		Expect(err).NotTo(HaveOccurred())
		cmd.ExtraFiles = []*os.File{file}
		start(cmd)
		ready("127.0.0.1:" + port)
		stop(cmd, "10s")
		b, err := os.ReadFile(path)
		Expect([]any{string(b), err}).To(Equal([]any{"untouched", nil}))
		Expect(out.String()).To(ContainSubstring("is not the channel of PM2"))
	})

	It("is not the database either", func() {
		cmd := command(nil)
		data := "DATA_DIR=" + filepath.Join(cmd.Dir, "data")
		for range 2 { // what was written would be noticed by the second run
			port, out := freePort(), new(binary.Output)
			cmd := command(nil, "SERVER_PORT="+port, "NODE_CHANNEL_FD=3", data)
			cmd.Stdout = out
			start(cmd)
			ready("127.0.0.1:" + port)
			stop(cmd, "10s")
			Expect(out.String()).To(ContainSubstring("is not the channel of PM2"))
		}
	})
})

var _ = Describe("a stranger", func() {
	It("is told nothing by a page of another origin, or by a name that points here", func() {
		port, out := freePort(), new(binary.Output)
		cmd := command(nil, "SERVER_PORT="+port, "CLIENT_URL=https://dash.example")
		cmd.Stdout = out
		start(cmd)
		ready("127.0.0.1:" + port)
		base := "http://127.0.0.1:" + port
		polling := base + "/socket.io/?EIO=4&transport=polling"
		status := func(url string, header ...string) int { GinkgoHelper(); s, _ := ask(url, header...); return s }
		Expect(status(polling)).To(Equal(200))
		Expect(status(polling, "Origin", "https://dash.example")).To(Equal(200))
		Expect(status(polling, "Origin", base)).To(Equal(200))
		Expect(status(polling, "Origin", "https://evil.example")).To(Equal(403))
		Expect(status(base+"/socket.io/?EIO=4&transport=websocket", "Origin", "https://evil.example", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")).To(Equal(403))
		Expect(status(base+"/api/v1/info", "Host", "evil.example")).To(Equal(403))
		Expect(status(base+"/api/v1/info", "Host", "localhost")).To(Equal(200))
		Eventually(out.String).Should(ContainSubstring("add it to CLIENT_URL"))
		Expect(lines(out.String(), "add it to CLIENT_URL")).To(HaveLen(1))
		stop(cmd, "10s")
	})
})
