package program

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/devops-insights/devops-insights/test/binary"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("backup and restore", func() {
	It("copy the store while a server uses it, and put it back when none does", func() {
		port, internal := freePort(), freePort()
		p := newPlace("SERVER_PORT="+port, "INTERNAL_ADDR=127.0.0.1:"+internal, "UPSTREAM_URL=http://127.0.0.1:1/{source}")
		p.write("rows", rowsOf(5000))
		p.must("import", "rows")
		whole := p.must("export", "-o", "-")
		server := p.command()
		start(server)
		ready("127.0.0.1:" + port)

		_, stderr, code := p.run("export", "-o", "x")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring("devops-insights backup -o copy.db"), 1))
		_, stderr, code = p.run("import", "rows")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring("stop the server"), 1))
		_, stderr, code = p.run("backup", "-o", "copy.db")
		Expect([]any{stderr, code}).To(HaveExactElements(Equal("copy.db: 2 latest values and 5,000 history rows are whole\n"), 0))
		_, stderr, code = p.run("backup", "-o", "copy.db")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring("is there already"), 1))
		Expect(p.must("export", "--file", "copy.db", "-o", "-") == whole).To(BeTrue())
		p.write("stdout.db", p.must("backup", "-o", "-"))
		Expect(p.must("store", "check", "stdout.db")).To(ContainSubstring("5000 history rows"))

		status, _ := ask("http://127.0.0.1:" + port + "/backup")
		Expect(status).To(Equal(404), "never on the public port")
		status, _ = ask("http://127.0.0.1:"+internal+"/backup", "Origin", "https://evil.example")
		Expect(status).To(Equal(403))
		other := place{p.dir, append(p.environ[:len(p.environ):len(p.environ)], "INTERNAL_ADDR=")}
		_, stderr, code = other.run("backup", "-o", "y.db")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring("INTERNAL_ADDR"), 1))
		stranger := httptest.NewServer(http.NotFoundHandler())
		DeferCleanup(stranger.Close)
		other.environ[len(other.environ)-1] = "INTERNAL_ADDR=" + stranger.Listener.Addr().String()
		_, stderr, code = other.run("backup", "-o", "y.db")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring("is no server that makes backups"), 1))
		other.environ[len(other.environ)-1] = "INTERNAL_ADDR=127.0.0.1:" + freePort()
		_, stderr, code = other.run("backup", "-o", "y.db")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring("none answers at INTERNAL_ADDR"), 1))
		for _, name := range []string{"x", "x.part", "y.db", "y.db.part"} {
			Expect(p.path(name)).NotTo(BeAnExistingFile())
		}

		before := p.read("data/devops-insights.db")
		_, stderr, code = p.run("restore", "copy.db")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring("another devops-insights process uses this file"), 1))
		stop(server, "10s")

		p.write("bad.db", before[:len(before)/2])
		_, stderr, code = p.run("restore", "bad.db")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring("stays as it was"), 1))
		_, _, code = p.run("restore", "data/devops-insights.db")
		Expect(code).To(Equal(1))
		p.write("more", `{"api":"acme","source":"sa-east","createdAt":"`+time.Now().UTC().Format(time.RFC3339)+`","data":7}`)
		p.must("import", "more")
		Expect(p.must("restore", "copy.db")).To(MatchRegexp(`the file that was there is .*devops-insights\.db\.before-\S+ now`))
		Expect(p.must("export", "-o", "-") == whole).To(BeTrue())
		kept, err := filepath.Glob(p.path("data/devops-insights.db.before-*"))
		Expect(err).NotTo(HaveOccurred())
		Expect(kept).To(HaveLen(1))
		Expect(p.must("store", "check", kept[0])).To(ContainSubstring("5001 history rows"))
		p.must("backup", "-o", "stopped.db")

		again := p.command()
		start(again)
		ready("127.0.0.1:" + port)
		stop(again, "10s")
		empty := newPlace()
		Expect(os.Link(p.path("copy.db"), empty.path("copy.db"))).To(Succeed())
		empty.must("restore", "copy.db")
		Expect(empty.must("export", "-o", "-") == whole).To(BeTrue())
	})

	It("let a server stop while a copy is made that nobody reads", func() {
		port, internal := freePort(), freePort()
		p := newPlace("SERVER_PORT="+port, "INTERNAL_ADDR=127.0.0.1:"+internal, "UPSTREAM_URL=http://127.0.0.1:1/{source}")
		p.write("rows", rowsOf(30_000))
		p.must("import", "rows")
		server := p.command()
		start(server)
		ready("127.0.0.1:" + port)
		copying := p.command("backup", "-o", "-")
		out, err := copying.StdoutPipe()
		Expect(err).NotTo(HaveOccurred())
		var errs binary.Output
		copying.Stderr = &errs
		start(copying)
		_, err = io.ReadFull(out, make([]byte, 10))
		Expect(err).NotTo(HaveOccurred())
		status, body := ask("http://127.0.0.1:" + internal + "/backup")
		Expect(status).To(Equal(409), body)
		var answer struct{ Error string }
		Expect(json.Unmarshal([]byte(body), &answer)).To(Succeed())
		Expect(answer.Error).To(ContainSubstring("another backup"))
		stop(server, "8s")
		go func() { _, _ = io.Copy(io.Discard, out) }()
		await(copying, "20s")
		Expect(copying.ProcessState.ExitCode()).To(Equal(1))
		Expect(errs.String()).To(ContainSubstring("before it was complete"))
	})
})
