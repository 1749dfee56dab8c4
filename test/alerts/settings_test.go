package alerts

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// settingsFile is a settings file of YAML, with the files beside it.
type settingsFile string

func newSettings(lines ...string) settingsFile {
	GinkgoHelper()
	f := settingsFile(filepath.Join(GinkgoT().TempDir(), "settings.yaml"))
	f.write(lines...)
	return f
}

// write replaces what the file says: the whole file at once, as editors do.
func (f settingsFile) write(lines ...string) {
	GinkgoHelper()
	next := string(f) + ".next"
	Expect(os.WriteFile(next, []byte(strings.Join(lines, "\n")+"\n"), 0o600)).To(Succeed())
	Expect(os.Rename(next, string(f))).To(Succeed())
}

// beside puts one of the project's files into the same directory.
func (f settingsFile) beside(path string) {
	GinkgoHelper()
	text, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	Expect(os.WriteFile(filepath.Join(filepath.Dir(string(f)), filepath.Base(path)), text, 0o600)).To(Succeed())
}

// environ is the setting that names the file.
func (f settingsFile) environ() string { return "CONFIG_FILE=" + string(f) }

// reloads lets instances read their settings again.
func reloads(all ...*instance) {
	for _, i := range all {
		i.Signal(syscall.SIGHUP)
	}
}

// types runs a command of the program to its end, as a person does in a terminal.
func types(dir string, environ []string, args ...string) (stdout, stderr string, code int) {
	GinkgoHelper()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = dir, append([]string{"PATH=" + os.Getenv("PATH"), "DATA_DIR=" + dir, "EXTERNAL_API_NAME=acme"}, environ...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); !exited {
		Expect(err).NotTo(HaveOccurred())
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}
