package config_test

import (
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("the settings of the past", func() {
	It("have defaults: a week of rows, a month of minutes, two years of hours, all days", func() {
		c, _, err := config.Load(nil, env())
		Expect(err).NotTo(HaveOccurred())
		Expect([]time.Duration{c.Retention, c.Minutes.Retention, c.Hours.Retention, c.Days.Retention}).
			To(Equal([]time.Duration{168 * time.Hour, 720 * time.Hour, 17520 * time.Hour, 0}))
		classifier, err := c.Classifier()
		Expect(err).NotTo(HaveOccurred())
		state, _ := classifier.State([]byte(`{"status":"Degraded"}`))
		Expect(state).To(Equal(store.StateDegraded))
	})

	It("are read", func() {
		c, _, err := config.Load([]string{"--rollup-exclude", "a.*", "--rollup-exclude", "b"}, env(
			"ROLLUP_1M_RETENTION", "48h", "ROLLUP_1H_SIZE", "1GiB", "ROLLUP_1D_RETENTION", "8760h", "HISTORY_SIZE", "2GB",
			"STATE_FIELD", `health.a\.b`, "STATE_UP", "green,fine", "STATE_DEGRADED", "yellow"))
		Expect(err).NotTo(HaveOccurred())
		Expect([]any{c.Minutes.Retention, c.Hours.Size, c.Days.Retention, c.HistorySize, c.RollupExclude}).
			To(Equal([]any{48 * time.Hour, int64(1 << 30), 8760 * time.Hour, int64(2e9), []string{"a.*", "b"}}))
		classifier, err := c.Classifier()
		Expect(err).NotTo(HaveOccurred())
		state, reason := classifier.State([]byte(`{"health":{"a.b":"red"}}`))
		Expect([]any{state, reason}).To(Equal([]any{store.StateDown, "red"}))
	})

	It("can be printed and read back", func() {
		c, _, err := config.Load(nil, env("STATE_FIELD", `a\.b.c d`, "ROLLUP_INCLUDE", "a.*,b", "HISTORY_SIZE", "1MiB"))
		Expect(err).NotTo(HaveOccurred())
		file := filepath.Join(GinkgoT().TempDir(), "settings")
		text := ""
		for _, line := range c.Lines() {
			text += line + "\n"
		}
		Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
		again, _, err := config.Load(nil, env("CONFIG_FILE", file))
		Expect(err).NotTo(HaveOccurred())
		Expect(again.Lines()).To(Equal(c.Lines()))
	})

	file := func() string {
		path := filepath.Join(GinkgoT().TempDir(), "file")
		Expect(os.WriteFile(path, nil, 0o600)).To(Succeed())
		return path
	}
	DescribeTable("that cannot work are named", func(name, value, part string) {
		if value == "a file" {
			value = filepath.Join(file(), "archive")
		}
		_, _, err := config.Load(nil, env(name, value))
		Expect(err).To(MatchError(And(ContainSubstring(name), ContainSubstring(part))))
	},
		Entry(nil, "STATE_FIELD", "a..b", "names joined with dots"),
		Entry(nil, "STATE_FIELD", `a\`, "names joined with dots"),
		Entry(nil, "STATE_UP", " , ", "no word means up"),
		Entry(nil, "STATE_DEGRADED", "warning,OK", "means up and degraded"),
		Entry(nil, "ROLLUP_1M_RETENTION", "1h", "48h"),
		Entry(nil, "ROLLUP_1H_RETENTION", "-1h", "168h"),
		Entry(nil, "ROLLUP_1D_RETENTION", "24h", "768h"),
		Entry(nil, "ROLLUP_1D_RETENTION", "1000000h", "for ever"),
		Entry(nil, "ROLLUP_1M_SIZE", "1000", "1MiB"),
		Entry(nil, "HISTORY_SIZE", "12", "1MiB"),
		Entry(nil, "HISTORY_SIZE", "-1", "number of bytes"),
		Entry(nil, "ROLLUP_MAX_FIELDS", "0", "1 to 10000"),
		Entry(nil, "ARCHIVE_DIR", "a file", "is a file"),
	)
})
