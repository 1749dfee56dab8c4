package program

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/binary"
	"github.com/devops-insights/devops-insights/test/wire"
)

var _ = Describe("export and import", func() {
	It("bring the same bytes into another store and out again", func() { roundTrip(newPlace(), newPlace()) })

	It("do so on MongoDB", func() {
		server := wire.Start(GinkgoTB())
		database := func(name string) string { return "DATABASE_URL=" + server.Database(name) }
		roundTrip(newPlace(database("transfer_a")), newPlace(database("transfer_b")))
	})

	It("bring rows of either store into the other", func() {
		server := wire.Start(GinkgoTB())
		embedded, database := newPlace(), newPlace("DATABASE_URL="+server.Database("transfer_c"))
		embedded.write("rows", strangeRows()+rowsOf(300))
		embedded.must("import", "rows")
		text := embedded.must("export", "-o", "-")
		_, stderr, code := database.feed(strings.NewReader(text), "import", "-")
		Expect(code).To(BeZero(), stderr)
		Expect(database.must("export", "-o", "-")).To(Equal(text), "values as JavaScript writes them")
		_, stderr, code = embedded.feed(strings.NewReader(database.must("export", "-o", "-")), "import", "-")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring("0 are new"), 0))
		database.must("export", "--format", "csv", "--gzip", "-o", "file")
		database.must("export", "--format", "openmetrics", "-o", "file.om")
	})

	It("are about the API of --api where the settings have several", func() {
		p := newPlace()
		p.write("devops-insights.yaml", "apis:\n- {name: acme, regions: [us-east]}\n- {name: other, regions: [mars_1, mars_2]}\n")
		rows := rowsOf(2)
		p.write("rows", rows+strings.NewReplacer(`"api":"acme"`, `"api":"other"`, `"source":"eu-west"`, `"source":"mars_1"`).Replace(rows))
		p.must("import", "rows")
		Expect(p.must("export", "-o", "-")).To(And(ContainSubstring(`"acme"`), Not(ContainSubstring(`"other"`))))
		stdout, stderr, code := p.run("export", "--api", "Other", "--quiet", "-o", "-")
		Expect(code).To(BeZero(), stderr)
		Expect(stdout).To(And(ContainSubstring(`"other"`), Not(ContainSubstring(`"acme"`))))
		Expect(stderr).NotTo(ContainSubstring("not used"))
		Expect(p.must("export", "--api", "other", "--source", "mars_2", "-o", "-")).To(BeEmpty(), "nothing is stored yet")
		_, stderr, code = p.run("export", "--api", "other", "--source", "sa-east", "-o", "-")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring("--source can be mars_1, mars_2, us-east"), 1))
		_, stderr, code = p.run("export", "--api", "third", "-o", "-")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring(`nothing is stored of the api "third", but of acme, other`), 1))
	})

	It("are resumed after kill -9 and SIGINT in the middle of an export", func() {
		p := newPlace()
		p.write("rows", rowsOf(40_000))
		p.must("import", "rows")
		whole := p.must("export", "-o", "-")
		for _, zip := range []bool{false, true} {
			for _, sig := range []os.Signal{syscall.SIGKILL, os.Interrupt} {
				args := []string{"export", "-o", "file"}
				if zip {
					args = append(args, "--gzip")
				}
				state, stderr := caught(sig, p.path("file"), func() *exec.Cmd { return p.command(args...) })
				if sig == os.Interrupt {
					Expect(state.ExitCode()).To(Equal(1), stderr)
					Expect(stderr).To(ContainSubstring("--resume continues it"))
				}
				_, stderr, code := p.run(args...)
				Expect(code).To(Equal(1))
				Expect(stderr).To(ContainSubstring("file.part is there"))
				p.must(append(args, "--resume")...)
				got := p.read("file")
				if zip {
					r, err := gzip.NewReader(strings.NewReader(got))
					Expect(err).NotTo(HaveOccurred())
					b, err := io.ReadAll(r)
					Expect(err).NotTo(HaveOccurred())
					got = string(b)
				}
				Expect(got == whole).To(BeTrue(), "%v, gzip %v", sig, zip)
				Expect(os.Remove(p.path("file"))).To(Succeed())
			}
		}
	})

	// repeated expects that an import which was killed, when the store had some
	// rows, is completed by the same command.
	repeated := func(p, other place, rows int, some func()) {
		GinkgoHelper()
		text := rowsOf(rows)
		cmd := p.command("import", "-")
		in, err := cmd.StdinPipe()
		Expect(err).NotTo(HaveOccurred())
		Expect(cmd.Start()).To(Succeed())
		_, err = io.WriteString(in, text[:len(text)/2+100])
		Expect(err).NotTo(HaveOccurred())
		some()
		Expect(cmd.Process.Kill()).To(Succeed())
		_ = cmd.Wait() // it was killed
		p.write("rows", text)
		_, stderr, code := p.run("import", "rows")
		Expect(code).To(BeZero(), stderr)
		Expect(stderr).To(And(ContainSubstring(fmt.Sprintf("imported %d,000 rows", rows/1000)), Not(ContainSubstring(" 0 were there already"))))
		_, stderr, _ = p.run("import", "rows")
		Expect(stderr).To(ContainSubstring("0 are new"))
		other.write("rows", text)
		other.must("import", "rows")
		// A database without one order of all writes may have two regions in another
		// order within a millisecond; a region itself never.
		for _, source := range []string{"eu-west", "us-east"} {
			Expect(p.must("export", "--source", source, "-o", "-") == other.must("export", "--source", source, "-o", "-")).To(BeTrue(), source)
		}
		Expect(strings.Count(p.must("export", "-o", "-"), "\n")).To(Equal(rows))
	}

	It("are repeated after kill -9 in the middle of an import", func() {
		p := newPlace()
		repeated(p, newPlace(), 20_000, func() {}) // more than waits before the store
		Expect(p.must("store", "check")).To(ContainSubstring("20000 history rows"))
	})

	It("are repeated after kill -9 in the middle of an import into MongoDB", func() {
		server := wire.Start(GinkgoTB())
		p := newPlace("DATABASE_URL=" + server.Database("killed"))
		repeated(p, newPlace("DATABASE_URL="+server.Database("whole")), 6000, func() {
			Eventually(func() string { stdout, _, _ := p.run("export", "-o", "-"); return stdout }, "30s").ShouldNot(BeEmpty())
		})
	})

	It("wait for each other on one database, so that two at once add nothing twice", func() {
		server := wire.Start(GinkgoTB())
		p := newPlace("DATABASE_URL=" + server.Database("at_once"))
		p.write("rows", rowsOf(900))
		var all []*exec.Cmd
		for range 2 {
			cmd := p.command("import", "rows")
			Expect(cmd.Start()).To(Succeed())
			all = append(all, cmd)
		}
		for _, cmd := range all {
			await(cmd, "120s")
			Expect(cmd.ProcessState.ExitCode()).To(BeZero())
		}
		Expect(strings.Count(p.must("export", "-o", "-"), "\n")).To(Equal(900))
	})

	It("write CSV for a spreadsheet", func() {
		p := newPlace()
		p.write("rows", strangeRows())
		p.must("import", "rows")
		records, err := csv.NewReader(strings.NewReader(p.must("export", "--format", "csv", "-o", "-"))).ReadAll()
		Expect(err).NotTo(HaveOccurred())
		Expect(records).To(HaveLen(11))
		Expect(records[0]).To(Equal([]string{"api", "source", "createdAt", "updatedAt", "hash", "data"}))
		Expect(records[8][5]).To(Equal(`"a text, with \"quotes\""`))
		Expect(p.must("export", "--format", "csv", "--fields", "emoji, small", "-o", "-")).To(And(
			HavePrefix("api,source,createdAt,updatedAt,hash,data.emoji,data.small\r\n"), MatchRegexp(`(?m),,0\.1\r$`), MatchRegexp(`(?m),😀🇩🇪,\r$`)))
	})

	It("end quietly when the reader has had enough, and with a sentence when the disk is full", func() {
		p := newPlace()
		p.write("rows", rowsOf(10_000))
		p.must("import", "rows")
		for _, more := range [][]string{nil, {"--gzip"}, {"--format", "csv"}, {"--format", "openmetrics"}} {
			args := append([]string{"export", "-o"}, append([]string{"-"}, more...)...)
			cmd := p.command(args...)
			out, err := cmd.StdoutPipe()
			Expect(err).NotTo(HaveOccurred())
			var errs bytes.Buffer
			cmd.Stderr = &errs
			Expect(cmd.Start()).To(Succeed())
			_, err = io.ReadFull(out, make([]byte, 10))
			Expect(err).NotTo(HaveOccurred())
			Expect(out.Close()).To(Succeed())
			await(cmd, "20s")
			Expect([]any{errs.String(), cmd.ProcessState.ExitCode()}).To(Or(Equal([]any{"", 0}), HaveExactElements(ContainSubstring("exported"), 0)))

			if _, err := os.Stat("/dev/full"); err != nil {
				continue
			}
			args[2] = "/dev/full"
			_, stderr, code := p.run(args...)
			Expect(code).To(Equal(1))
			Expect(stderr).To(Equal("/dev/full cannot be written: the disk is full\n"))
		}
	})

	It("end at SIGINT while nobody reads or writes", func() {
		p := newPlace()
		p.write("rows", rowsOf(10_000))
		p.must("import", "rows")
		for _, args := range [][]string{{"export", "-o", "-"}, {"import", "-"}} {
			cmd := p.command(args...)
			r, w, err := os.Pipe()
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(func() { _ = r.Close(); _ = w.Close() })
			var errs binary.Output
			cmd.Stderr = &errs
			cmd.Stdin, cmd.Stdout = r, nil
			if args[0] == "export" {
				cmd.Stdin, cmd.Stdout = nil, w
			}
			start(cmd)
			if args[0] == "export" {
				_, err = io.ReadFull(r, make([]byte, 10))
				Expect(err).NotTo(HaveOccurred())
			} else {
				_, err = io.WriteString(w, "\n")
				Expect(err).NotTo(HaveOccurred())
				Eventually(func() error { _, err := os.Stat(p.path("data/devops-insights.db")); return err }, "10s").Should(Succeed())
			}
			// The signal may come before the program hears it: then it ends by it.
			Expect(cmd.Process.Signal(os.Interrupt)).To(Succeed())
			await(cmd, "10s")
			Expect(cmd.ProcessState.ExitCode()).NotTo(BeZero())
			Expect(errs.String()).NotTo(ContainSubstring("panic"))
		}
	})

	It("name the line that is none, go on where they are told to, and take what a server deleted", func() {
		p := newPlace()
		good := rowsOf(10)
		p.write("rows", good+"{\"api\":\n"+rowsOf(20))
		_, stderr, code := p.run("import", "rows")
		Expect(code).To(Equal(1))
		Expect(stderr).To(And(ContainSubstring("rows, line 11: "), ContainSubstring("10 are new")))
		_, stderr, code = p.run("import", "--skip-bad", "rows")
		Expect(code).To(BeZero())
		Expect(stderr).To(And(ContainSubstring("left out: rows, line 11: "), ContainSubstring("1 lines were left out")))
		p.write("old", `{"api":"acme","source":"eu-west","createdAt":"2020-01-01T00:00:00Z","data":1}`)
		_, stderr, code = p.run("import", "old")
		Expect(code).To(BeZero())
		Expect(stderr).To(ContainSubstring("HISTORY_RETENTION=168h0m0s"))
		Expect(p.must("export", "--to", "2020", "-o", "-", "--to", "2020-01")).To(ContainSubstring("2020-01-01T00:00:00.000Z"))
	})

	It("draw a bar at a terminal", func() {
		script, err := exec.LookPath("script")
		if err != nil {
			Skip("script of util-linux, which makes a terminal, is missing")
		}
		p := newPlace("TERM=xterm")
		cmd := p.command()
		cmd.Path, cmd.Args = script, []string{"script", "-qec", program + " import -", "/dev/null"}
		in, err := cmd.StdinPipe()
		Expect(err).NotTo(HaveOccurred())
		out := new(binary.Output)
		cmd.Stdout = out
		start(cmd)
		Eventually(out.String, "20s").Should(ContainSubstring("importing"))
		Expect(cmd.Process.Kill()).To(Succeed())
		_ = in.Close()
	})

	DescribeTable("end with 78 and a sentence on flags that cannot be used", func(part string, args ...string) {
		stdout, stderr, code := newPlace().run(args...)
		Expect([]any{stdout, code}).To(Equal([]any{"", 78}), stderr)
		Expect(stderr).To(ContainSubstring(part))
		Expect(stderr).NotTo(ContainSubstring("hunter2"))
	},
		Entry(nil, "-o is missing", "export"), Entry(nil, "-o is missing", "backup"), Entry(nil, "a file is missing", "import"),
		Entry(nil, "one file", "restore"), Entry(nil, "one file", "restore", "a", "b"),
		Entry(nil, "ndjson, csv and openmetrics", "export", "-o", "-", "--format", "xml"),
		Entry(nil, "--from", "export", "-o", "-", "--from", "soon"), Entry(nil, "is not before", "export", "-o", "-", "--from", "2026-11", "--to", "2026-10"),
		Entry(nil, "--fields", "export", "-o", "-", "--fields", "a"), Entry(nil, "--fields", "export", "-o", "-", "--format", "csv", "--fields", ","),
		Entry(nil, "no arguments", "export", "-o", "-", "x"), Entry(nil, "no arguments", "backup", "-o", "x", "y"),
		Entry(nil, "--resume", "export", "-o", "-", "--resume"), Entry(nil, "openmetrics", "export", "-o", "x", "--resume", "--format", "openmetrics"),
		Entry(nil, "unknown flag", "export", "--no-such-flag"), Entry(nil, "-x is no flag", "import", "-x"),
		Entry(nil, "DATABASE_URL", "backup", "-o", "x", "--database-url", "mongodb://u:hunter2@h/x"),
		Entry(nil, "DATABASE_URL", "restore", "x", "--database-url", "mongodb://u:hunter2@h/x"),
		Entry(nil, "DATABASE_URL", "export", "-o", "x", "--database-url", "mongodb://u:hunter2@h:port/x"),
	)

	It("say what is missing: a store, the api that is meant, a file", func() {
		p := newPlace()
		_, stderr, code := p.run("export", "-o", "x")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring("there is no store"), 1))
		Expect(p.path("data")).NotTo(BeAnExistingFile())
		Expect(p.path("x.part")).NotTo(BeAnExistingFile())
		p.write("rows", rowsOf(3))
		p.must("import", "rows")
		_, stderr, code = p.run("export", "-o", "x", "--api", "other")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring(`nothing is stored of the api "other", but of acme`), 1))
		_, stderr, code = p.run("export", "-o", "x", "--source", "mars")
		Expect([]any{stderr, code}).To(HaveExactElements(And(ContainSubstring(`there is no region "mars"`), ContainSubstring("eu-west")), 1))
		p.must("export", "-o", "y", "--source", "sa-east", "--quiet") // a region of which nothing is stored yet
		_, stderr, code = p.run("import", "nothing")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring("no such file"), 1))
		_, stderr, code = p.run("export", "-o", "x", "--file", "rows")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring("rows"), 1))
		_, stderr, code = p.run("export", "-o", "no/such/folder")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring("no/such/folder"), 1))
		_, stderr, code = p.run("export", "-o", "x", "--database-url", "mongodb://u:hunter2@127.0.0.1:1/x?serverSelectionTimeoutMS=100")
		Expect([]any{stderr, code}).To(HaveExactElements(Not(ContainSubstring("hunter2")), 1))
	})

	It("explain themselves", func() {
		help := newPlace().must("help")
		for _, part := range []string{"export -o FILE|-", "--from", "--format", "--resume", "import FILE…|-", "--skip-bad", "backup -o FILE|-", "restore FILE"} {
			Expect(help).To(ContainSubstring(part))
		}
		for _, name := range []string{"export", "import", "backup", "restore"} {
			stdout, _, code := newPlace().run(name, "--help")
			Expect([]any{stdout, code}).To(HaveExactElements(ContainSubstring("devops-insights "+name), 0))
		}
	})
})
