package socketio

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = It("costs a program of another module few modules", func(ctx SpecContext) {
	root, err := filepath.Abs("../..")
	Expect(err).NotTo(HaveOccurred())
	dir := GinkgoT().TempDir()
	write := func(name, text string) {
		GinkgoHelper()
		Expect(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)).To(Succeed())
	}
	const library = "github.com/devops-insights/devops-insights"
	write("go.mod", "module example.com/program\n\ngo 1.26.0\n\nrequire "+library+" v0.0.0\n\nreplace "+library+" => "+root+"\n")
	write("main.go", "package main\n\nimport (\n\t\"net/http\"\n\n\t\""+library+"/socket/socketio\"\n)\n\n"+
		"func main() { _ = http.ListenAndServe(\":3000\", socketio.NewServer(socketio.Options{})) }\n")
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	Expect(err).NotTo(HaveOccurred())
	write("go.sum", string(sums))
	run := func(args ...string) string {
		GinkgoHelper()
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off") // what the library needs is here
		out, err := cmd.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), "%s", out)
		return string(out)
	}
	run("build", "-o", os.DevNull, ".")
	packages := strings.Fields(run("list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}} {{.Module.Path}}{{end}}", "."))
	var modules []string
	for i := 1; i < len(packages); i += 2 {
		if !slices.Contains(modules, packages[i]) {
			modules = append(modules, packages[i])
		}
	}
	GinkgoWriter.Println(len(packages)/2, "packages of", len(modules), "modules:", modules)
	Expect([]string{
		"example.com/program", library, "golang.org/x/time",
		"github.com/klauspost/compress", "github.com/tinylib/msgp", "github.com/philhofer/fwd",
	}).To(ContainElements(modules), "a further one must be worth it to every user of the library")
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	Expect(err).NotTo(HaveOccurred())
	GinkgoWriter.Println(string(text))
	Expect(strings.Count(string(text), "\n\tgithub.com/")+strings.Count(string(text), "\n\tgolang.org/")).To(BeNumerically("<=", 5), "what go.mod requires")
})
