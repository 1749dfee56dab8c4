package config_test

import (
	"encoding/json"
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/config"
)

var _ = It("reads a settings file as dotenv does", func() {
	// The values are what parse of dotenv 17.4.2 and 16.6.1 make of each text.
	file := "testdata/dotenv.json"
	if other := os.Getenv("DOTENV_CASES"); other != "" {
		file = other
	}
	b, err := os.ReadFile(file)
	Expect(err).NotTo(HaveOccurred())
	var cases []struct {
		Text   string
		Values map[string]string
	}
	Expect(json.Unmarshal(b, &cases)).To(Succeed())
	Expect(cases).NotTo(BeEmpty())
	for _, c := range cases {
		values, _, _ := config.ParseDotenv(c.Text)
		Expect(values).To(Equal(c.Values), "%q", c.Text)
	}
})

var _ = DescribeTable("tells the lines of a settings file that are no assignment", func(text string, lines ...int) {
	_, _, skipped := config.ParseDotenv(text)
	Expect(skipped).To(HaveExactElements(lines))
},
	Entry(nil, "A=1\nhello\n# c\n\nB=\"x\ny\"\nworld", 2, 7),
	Entry(nil, "\ufeffhello\r\nA=1", 1),
)
