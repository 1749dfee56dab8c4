package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/config"
)

var _ = Describe("a loader", func() {
	write := func(path, text string) {
		GinkgoHelper()
		Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
	}
	load := func(l *config.Loader) config.Config {
		GinkgoHelper()
		c, _, err := l.Load()
		Expect(err).NotTo(HaveOccurred())
		return c
	}

	It("notices a change of each file that settings come from, when it has settled", func() {
		dir := folder(map[string]string{
			".env": "UPSTREAM_URL_FILE=url\n", "url": "https://h/{source}", "token": "t", "ca.pem": "", "devops-insights.yaml": "apis:\n  - {name: a, headers: {X: \"file:token\"}}",
		})
		GinkgoT().Chdir(dir)
		l := config.NewLoader(nil, nil)
		load(l)
		for range 3 {
			Expect(l.Changed()).To(BeFalse())
		}
		for _, name := range []string{".env", "url", "token", "devops-insights.yaml"} {
			b, err := os.ReadFile(name)
			Expect(err).NotTo(HaveOccurred())
			write(name, "\n"+string(b)+"\n")
			Expect(l.Changed()).To(BeFalse(), "somebody may still be writing")
			write(name, string(b)+"\n")
			Expect(l.Changed()).To(BeFalse(), "somebody is still writing")
			Expect(l.Changed()).To(BeTrue(), name)
			_, _, settled, err := l.LoadChanged()
			Expect([]any{settled, err}).To(Equal([]any{true, nil}))
			for range 2 {
				Expect(l.Changed()).To(BeFalse())
			}
		}
		write("url", "https://h/other")
		_, _ = l.Changed(), l.Changed()
		write("url", "https://h/another")
		_, _, settled, _ := l.LoadChanged()
		Expect(settled).To(BeFalse(), "it has changed once more")
		Expect([]bool{l.Changed(), l.Changed()}).To(Equal([]bool{false, true}))
	})

	It("notices a file that comes and one that goes, and that a change was taken back", func() {
		GinkgoT().Chdir(GinkgoT().TempDir())
		l := config.NewLoader(nil, nil)
		Expect(load(l).Port).To(Equal(5000))
		write("devops-insights.yaml", "settings: {port: 1}")
		Expect([]bool{l.Changed(), l.Changed()}).To(Equal([]bool{false, true}))
		Expect(load(l).Port).To(Equal(1))
		Expect(os.Remove("devops-insights.yaml")).To(Succeed())
		Expect(l.Changed()).To(BeFalse())
		write("devops-insights.yaml", "settings: {port: 1}")
		Expect([]bool{l.Changed(), l.Changed()}).To(Equal([]bool{false, false}))

		Expect(os.Remove("devops-insights.yaml")).To(Succeed())
		_, _, err := l.Load()
		Expect(err).To(MatchError("the settings file devops-insights.yaml is gone: to run without it, restart the server"))
		write("devops-insights.yaml", "settings: {port: 2}")
		Expect([]bool{l.Changed(), l.Changed()}).To(Equal([]bool{false, true}))
		Expect(load(l).Port).To(Equal(2))
	})

	It("notices a settings map of Kubernetes, which is a link that is put in the place of another", func() {
		dir := GinkgoT().TempDir()
		version := func(name, text string) {
			GinkgoHelper()
			Expect(os.Mkdir(filepath.Join(dir, name), 0o700)).To(Succeed())
			write(filepath.Join(dir, name, "devops-insights.yaml"), text)
			Expect(os.Symlink(name, filepath.Join(dir, "..data_tmp"))).To(Succeed())
			Expect(os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))).To(Succeed())
		}
		version("..2026_01", "settings: {port: 1}")
		path := filepath.Join(dir, "devops-insights.yaml")
		Expect(os.Symlink(filepath.Join("..data", "devops-insights.yaml"), path)).To(Succeed())
		l := config.NewLoader([]string{"--config", path}, env())
		Expect(load(l).Port).To(Equal(1))
		version("..2026_02", "settings: {port: 2}")
		Expect(os.RemoveAll(filepath.Join(dir, "..2026_01"))).To(Succeed())
		Expect([]bool{l.Changed(), l.Changed()}).To(Equal([]bool{false, true}))
		Expect(load(l).Port).To(Equal(2))
	})

	It("notices a pipe in the place of a file, waits for it once, and notices the file that is back", func() {
		GinkgoT().Chdir(folder(map[string]string{"token": "t", "devops-insights.yaml": "apis:\n  - {name: a, headers: {X: \"file:token\"}}"}))
		l := config.NewLoader(nil, nil)
		load(l)
		Expect(os.Remove("token")).To(Succeed())
		Expect(syscall.Mkfifo("token", 0o600)).To(Succeed())
		Expect([]bool{l.Changed(), l.Changed()}).To(Equal([]bool{false, true}))
		_, _, settled, err := l.LoadChanged()
		Expect(settled).To(BeTrue())
		Expect(err).To(MatchError(ContainSubstring("nothing has come out of this pipe")))
		Expect(l.Changed()).To(BeFalse())
		Expect(os.Remove("token")).To(Succeed())
		write("token", "t")
		Expect([]bool{l.Changed(), l.Changed()}).To(Equal([]bool{false, true}))
		load(l)
	})

	It("names a changed certificate by the region's settings", func() {
		dir := folder(map[string]string{"ca.pem": certificate("a"), "c.yaml": "apis: [{name: a, url: \"https://h/\", tls: {ca: ca.pem}}]"})
		l := config.NewLoader([]string{"--config", filepath.Join(dir, "c.yaml")}, env())
		before := load(l)
		write(filepath.Join(dir, "ca.pem"), certificate("b"))
		Expect([]bool{l.Changed(), l.Changed()}).To(Equal([]bool{false, true}))
		after := load(l)
		Expect(before.Differences(&after)).To(Equal([]string{"apis"}))
		Expect(after.Differences(&after)).To(BeEmpty())
	})
})

var _ = It("says where each value comes from, without secrets", func() {
	dir := folder(map[string]string{
		".env": "# c\nPOLL_TIMEOUT=3s\nUPSTREAM_HEADER_X=hunter2\n",
		"devops-insights.yaml": "settings:\n  log-level: debug\n  redis: redis://u:hunter2@h:1\napis:\n  - name: a\n    url: https://hunter2@h/hunter2\n" +
			"    headers: {X-Key: hunter2}\n    regions: [r, {name: s, interval: 9s, statuses: [304]}]\n",
	})
	GinkgoT().Chdir(dir)
	c, _, err := config.Load([]string{"--port=7"}, []string{"NODE_ENV=test"})
	Expect(err).NotTo(HaveOccurred())
	lines := strings.Join(c.LinesWithOrigin(), "\n")
	for _, part := range []string{
		`SERVER_PORT=7 +# flag --port`, `NODE_ENV=test +# env NODE_ENV`, `POLL_TIMEOUT=3s +# .env:2`, `UPSTREAM_HEADER_X=redacted +# .env:3`,
		`LOG_LEVEL=debug +# devops-insights.yaml:2:14`, `REDIS_HOST=redis://redacted:redacted@h:1 +# devops-insights.yaml:3:10`, `DATA_DIR=./data +# default`,
		`# a.r.url=https://redacted:redacted@h/redacted +# devops-insights.yaml:6:10`, `# a.r.interval=30s +# default`, `# a.r.timeout=3s +# .env:2`,
		`# a.s.interval=9s +# devops-insights.yaml:8:38`, `# a.s.header.X-Key=redacted +# devops-insights.yaml:7:22`, `# a.s.statuses=304 +# devops-insights.yaml:8:53`,
	} {
		Expect(lines).To(MatchRegexp(part))
	}
	Expect(lines).NotTo(ContainSubstring("hunter"))
	Expect(strings.Join(c.Lines(), "\n")).NotTo(Or(ContainSubstring("hunter"), ContainSubstring(" # ")))
	again, _, err := config.Load([]string{"--config", file(strings.Join(c.LinesWithOrigin(), "\n"))}, nil)
	Expect(err).NotTo(HaveOccurred())
	Expect(again.Port).To(Equal(7))
})
