package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/test/kit"
)

const document = "../../docs/protocol.md"

// example is a fenced block of the document.
type example struct {
	kind string
	line int // of its fence
	text []string
}

// examples returns the blocks of a kind.
func examples(kind string) []example { return examplesIn(document, kind) }

// examplesIn returns the blocks of some kinds of a document.
func examplesIn(document string, kinds ...string) []example {
	body, err := os.ReadFile(document)
	if err != nil {
		panic(err)
	}
	var all []example
	var open *example
	for i, line := range strings.Split(string(body), "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			open = &example{kind: fence, line: i + 1}
		case isFence:
			if slices.Contains(kinds, open.kind) {
				all = append(all, *open)
			}
			open = nil
		case open != nil:
			open.text = append(open.text, line)
		}
	}
	return all
}

// varying are the parts of a frame that differ from run to run.
var varying = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z|"sid":"[^"]*"|"requestId":"[^"]+"`)

func settled(frame string) string { return varying.ReplaceAllString(frame, "") }

var (
	answers = regexp.MustCompile(`^· (\S+) answers (.*)$`)
	fails   = regexp.MustCompile(`^· (\S+) fails with (\d+)$`)
)

// documented starts the server that the document's examples are about.
func documented() *kit.Server {
	GinkgoHelper()
	s := kit.Start(GinkgoT())
	for _, region := range store.Regions() {
		s.Upstream.Fail(region, http.StatusNotFound)
	}
	c := s.Connect()
	for i, region := range []string{"us-east", "eu-west"} {
		s.Upstream.Set(region, `{"status":"ok"}`)
		Eventually(func() int {
			c.Send(`42["metrics:get"]`)
			return strings.Count(c.Next().Frame, `"status":"ok"`)
		}, "20s", "50ms").Should(Equal(i + 1))
	}
	return s
}

var _ = Describe("docs/protocol.md", Ordered, ContinueOnFailure, func() {
	var s *kit.Server
	BeforeAll(func() { s = documented() })

	for _, e := range examples("frames") {
		It(fmt.Sprintf("is right about the events of line %d", e.line), func() {
			c := s.Connect()
			for _, line := range e.text {
				direction, frame, _ := strings.Cut(line, " ")
				switch direction {
				case "→":
					c.Send(frame)
				case "←":
					Expect(settled(c.Next().Frame)).To(Equal(settled(frame)))
				default:
					for _, event := range c.Sync() {
						Fail("unexpected: " + event.Frame)
					}
					if m := answers.FindStringSubmatch(line); m != nil {
						s.Upstream.Set(m[1], m[2])
					} else if m := fails.FindStringSubmatch(line); m != nil {
						status, err := strconv.Atoi(m[2])
						Expect(err).NotTo(HaveOccurred())
						s.Upstream.Fail(m[1], status)
					} else {
						Fail("the line is not understood: " + line)
					}
				}
			}
			if !strings.Contains(strings.Join(e.text, ""), "fails with") { // which repeats
				Expect(c.Sync()).To(BeEmpty())
			}
		})
	}

	for _, e := range examples("http") {
		for i := 0; i+1 < len(e.text); i += 3 {
			request, response := e.text[i], e.text[i+1]
			It("is right about "+request, func(ctx SpecContext) {
				method, path, _ := strings.Cut(request, " ")
				r, err := http.NewRequestWithContext(ctx, method, s.URL+path, http.NoBody)
				Expect(err).NotTo(HaveOccurred())
				answer, err := http.DefaultClient.Do(r)
				Expect(err).NotTo(HaveOccurred())
				defer func() { _ = answer.Body.Close() }()
				body, err := io.ReadAll(answer.Body)
				Expect(err).NotTo(HaveOccurred())
				status, text, _ := strings.Cut(response, " ")
				Expect(strconv.Itoa(answer.StatusCode)).To(Equal(status))
				if strings.HasPrefix(text, "0") || answer.StatusCode >= 400 {
					Expect(settled(string(body))).To(Equal(settled(text)))
					return
				}
				Expect(shape(body, shape([]byte(text), nil))).To(HaveExactElements(shape([]byte(text), nil)))
			})
		}
	}

	DescribeTable("names", func(pattern, quoted string, least int, files ...string) {
		body, err := os.ReadFile(document)
		Expect(err).NotTo(HaveOccurred())
		var names []string
		for _, file := range files {
			source, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(source), -1) {
				names = append(names, m[1])
			}
		}
		Expect(len(names)).To(BeNumerically(">=", least))
		for _, name := range names {
			Expect(string(body)).To(MatchRegexp(quoted, regexp.QuoteMeta(strings.ReplaceAll(name, ":source", "<region>"))), name)
		}
	},
		Entry("every event and every message", `(?m)^\s+(?:Event|message)\w+\s+=\s+"([^"]+)"`, "[`\"]%s[`\"]", 14, "../../socket/protocol.go"),
		Entry("every errorCode", `(?m)^\s+Code\w+ Code = "([^"]+)"`, "\\| `%s` \\|", 14, "../../poller/failure.go"),
		Entry("every path that is served", `(?:get\(|Handle\(method, )"(/[^"]+)"`, "`%s`", 6, "../../app/routes.go", "../../app/probes.go"),
		Entry("every setting of the dashboards' connections", `(?m)^\s*d\.add\(.*?"([A-Z][A-Z0-9_]+)"`, "`%s`", 10, "../../app/config/clients.go"),
	)

	It("names no setting that does not exist", func() {
		body, err := os.ReadFile(document)
		Expect(err).NotTo(HaveOccurred())
		_, table, _ := strings.Cut(string(body), "## Environment variables")
		table, _, _ = strings.Cut(table, "\n## ")
		var known strings.Builder
		for _, file := range must(filepath.Glob("../../app/config/*.go")) {
			known.Write(must(os.ReadFile(file)))
		}
		names := regexp.MustCompile("`([A-Z][A-Z0-9_]+)`").FindAllStringSubmatch(table, -1)
		Expect(len(names)).To(BeNumerically(">", 20))
		for _, name := range names {
			Expect(known.String()).To(MatchRegexp(`[" ]`+name[1]+`[" ]`), name[1])
		}
	})
})

func must[T any](v T, err error) T {
	GinkgoHelper()
	Expect(err).NotTo(HaveOccurred())
	return v
}

// shape lists the members of a JSON object with the kinds of their values, in
// their order; members that are not in known are left out, unless it is nil.
func shape(text []byte, known []string) []string {
	GinkgoHelper()
	var all []string
	d := json.NewDecoder(bytes.NewReader(text))
	_, err := d.Token()
	Expect(err).NotTo(HaveOccurred(), string(text))
	for d.More() {
		name, err := d.Token()
		Expect(err).NotTo(HaveOccurred())
		var value any
		Expect(d.Decode(&value)).To(Succeed())
		if member := fmt.Sprintf("%v %v", name, reflect.TypeOf(value)); known == nil || slices.Contains(known, member) {
			all = append(all, member)
		}
	}
	return all
}
