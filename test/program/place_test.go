package program

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// place is a directory with a store in which commands run.
type place struct {
	dir     string
	environ []string
}

func newPlace(environ ...string) place {
	GinkgoHelper()
	return place{GinkgoT().TempDir(), append([]string{"EXTERNAL_API_NAME=acme"}, environ...)}
}

// command prepares a command; paths are in the directory of the place.
func (p place) command(args ...string) *exec.Cmd {
	GinkgoHelper()
	cmd := command(args, append([]string{"DATA_DIR=" + filepath.Join(p.dir, "data")}, p.environ...)...)
	cmd.Dir = p.dir
	return cmd
}

// run runs a command to its end.
func (p place) run(args ...string) (stdout, stderr string, code int) {
	GinkgoHelper()
	return p.feed(nil, args...)
}

// feed runs a command that reads this.
func (p place) feed(in io.Reader, args ...string) (stdout, stderr string, code int) {
	GinkgoHelper()
	cmd := p.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &errs
	Expect(cmd.Start()).To(Succeed())
	await(cmd, "60s")
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must runs a command that succeeds, and returns what it wrote to stdout.
func (p place) must(args ...string) string {
	GinkgoHelper()
	stdout, stderr, code := p.run(args...)
	Expect(code).To(BeZero(), stderr)
	return stdout
}

func (p place) path(name string) string { return filepath.Join(p.dir, name) }

func (p place) read(name string) string {
	GinkgoHelper()
	b, err := os.ReadFile(p.path(name))
	Expect(err).NotTo(HaveOccurred())
	return string(b)
}

func (p place) write(name, text string) {
	GinkgoHelper()
	Expect(os.WriteFile(p.path(name), []byte(text), 0o600)).To(Succeed())
}

// rowsOf makes NDJSON of so many rows of about 1 kB, an hour old, three of them
// in each second and two in the same millisecond.
func rowsOf(n int) string {
	var b strings.Builder
	begin := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	padding := strings.Repeat("x", 900)
	for i := range n {
		at := begin.Add(time.Duration(i/3)*time.Second + time.Duration(i%3/2)*time.Millisecond)
		_, _ = fmt.Fprintf(&b, `{"api":"acme","source":%q,"createdAt":%q,"data":{"n":%d,"status":"ok","padding":%q}}`+"\n",
			[]string{"eu-west", "us-east"}[i%2], at.Format("2006-01-02T15:04:05.000Z"), i, padding)
	}
	return b.String()
}

// strangeRows are hard to keep as they are.
func strangeRows() string {
	at := time.Now().Add(-2 * time.Hour).UTC()
	var b strings.Builder
	for i, data := range []string{
		`{"big":9007199254740993,"exact":9007199254740992,"small":0.1,"negative":-5}`, `{"emoji":"😀🇩🇪","text":"é<>&"}`, `{"latin":"caf` + "\ufffd" + `"}`,
		`{"same":"millisecond"}`, `{"same":"millisecond, again"}`, `{"large":"` + strings.Repeat("x", 1<<20) + `"}`, `null`, `"a text, with \"quotes\""`, `[1,{"a.b":[]}]`, `{}`,
	} {
		_, _ = fmt.Fprintf(&b, `{"api":"acme","source":"eu-west","createdAt":%q,"data":%s}`+"\n", at.Add(time.Duration(i/2)*time.Millisecond).Format("2006-01-02T15:04:05.000Z"), data)
	}
	return b.String()
}

// roundTrip expects that what is exported, imported into another store and
// exported again has the same bytes.
func roundTrip(p, other place) {
	GinkgoHelper()
	p.write("rows", strangeRows()+rowsOf(3000))
	_, stderr, code := p.run("import", "rows")
	Expect(code).To(BeZero(), stderr)
	Expect(stderr).To(ContainSubstring("imported 3,010 rows: 3,010 are new"))
	_, stderr, _ = p.run("export", "-o", "a.ndjson")
	Expect(stderr).To(ContainSubstring("exported 3,010 rows"))
	p.must("export", "--gzip", "-o", "a.ndjson.gz")
	a := p.read("a.ndjson")
	Expect(strings.Count(a, "\n")).To(Equal(3010))

	Expect(os.Link(p.path("a.ndjson.gz"), other.path("a.ndjson.gz"))).To(Succeed())
	other.must("import", "a.ndjson.gz")
	Expect(other.must("export", "-o", "-") == a).To(BeTrue(), "the same bytes")
	_, stderr, code = other.feed(strings.NewReader(a), "import", "-")
	Expect(code).To(BeZero(), stderr)
	Expect(stderr).To(ContainSubstring("0 are new, 3,010 were there already"))
	Expect(other.must("export", "-o", "-") == a).To(BeTrue(), "nothing twice")
}

// caught kills a command with the signal as soon as the file has something in
// it. A machine may be too fast for that: then it is tried again.
func caught(sig os.Signal, path string, start func() *exec.Cmd) (state *os.ProcessState, stderr string) {
	GinkgoHelper()
	for range 10 {
		cmd := start()
		var errs bytes.Buffer
		cmd.Stderr = &errs
		Expect(cmd.Start()).To(Succeed())
		for {
			if info, err := os.Stat(path + ".part"); err == nil && info.Size() > 0 {
				break
			}
			if _, err := os.Stat(path); err == nil {
				break
			}
		}
		_ = cmd.Process.Signal(sig) // it may be over
		await(cmd, "20s")
		if _, err := os.Stat(path); err != nil {
			return cmd.ProcessState, errs.String()
		}
		Expect(os.Remove(path)).To(Succeed())
	}
	Fail("the command was never caught before its end")
	return nil, ""
}
