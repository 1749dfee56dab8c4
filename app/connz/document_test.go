package connz

import (
	"os"
	"regexp"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("docs/connections.md", func() {
	read := func(path string) string {
		GinkgoHelper()
		text, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		return string(text)
	}

	It("says of every code what a client does", func() {
		document := read("../../docs/connections.md")
		found := 0
		for _, path := range []string{"../../socket/engineio/codes.go", "../../socket/socketio/sessions.go"} {
			for _, m := range regexp.MustCompile(`\bCode +(?:= )?"([A-Z_]+)"|Code = "([A-Z_]+)"`).FindAllStringSubmatch(read(path), -1) {
				found++
				Expect(document).To(MatchRegexp("(?m)^\\| .*`"+m[1]+m[2]+"`.* \\| .+ \\| .+ \\|$"), m[1]+m[2])
			}
		}
		Expect(found).To(BeNumerically(">=", 20))
	})

	It("names every key to sort by, and every parameter", func() {
		document := read("../../docs/connections.md")
		for _, name := range append(sortKeys(), "state", "sort", "limit", "offset", "region", "address", "code", "format", "socket", "for", "max", "payload") {
			Expect(document).To(ContainSubstring("`" + name + "`"))
		}
	})
})
