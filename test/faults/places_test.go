package faults

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// within is the promise: health is right so long after a fault begins or ends. A
// busy machine gets slack on top; what was measured is in the report.
const (
	within = 5 * time.Second
	slack  = 15 * time.Second
)

// trouble is what a part is expected to say.
type trouble struct {
	part  string
	state string // "down" or "degraded"
	class string // a regular expression
}

// seen is what each place says of a part at one moment: the state, and where the
// place has it the class.
type seen map[string]string

// agree reports whether all places say the same state and the class fits.
func (s seen) agree(state, class string) bool {
	for _, said := range s {
		is, word, has := strings.Cut(said, " ")
		if is != state || has && !regexp.MustCompile(`^(`+class+`)$`).MatchString(word) {
			return false
		}
	}
	return true
}

func (s seen) String() string {
	var b strings.Builder
	for _, place := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%s: %s\n", place, s[place])
	}
	return b.String()
}

// look reads every place that is asked, one right after the other.
func (s *server) look(part string) seen {
	all := make(seen)
	_, body := ask(s.url + "/api/v1/health")
	var health struct {
		Checks map[string]struct{ State, Class, Message string }
	}
	if json.Unmarshal([]byte(body), &health) != nil {
		return seen{"health": "no answer: " + body}
	}
	p := health.Checks[part]
	if all["health"] = p.State; p.State != "ok" {
		all["health"] += " " + p.Class
	}

	_, body = ask(s.url + "/readyz")
	var ready struct{ Checks map[string]string }
	_ = json.Unmarshal([]byte(body), &ready)
	all["readyz"], _, _ = strings.Cut(ready.Checks[part], " ")

	_, body = ask(s.url + "/readyz?verbose")
	all["readyz for people"] = "missing"
	if m := regexp.MustCompile(`(?m)^\[([+-])\]` + regexp.QuoteMeta(part) + ` (\w+)`).FindStringSubmatch(body); m != nil {
		all["readyz for people"] = m[2]
		if (m[1] == "+") != (m[2] == "ok") {
			all["readyz for people"] = "contradicts itself: " + m[0]
		}
	}

	_, body = ask(s.internal + "/metrics")
	all["metrics"] = "missing"
	if m := regexp.MustCompile(`(?m)^devops_insights_health\{part="` + regexp.QuoteMeta(part) + `"\} (\d)`).FindStringSubmatch(body); m != nil {
		all["metrics"] = map[string]string{"0": "down", "1": "degraded", "2": "ok"}[m[1]]
	}
	return all
}

// overall is what health says of the whole.
func (s *server) overall() (status, overall string) {
	_, body := ask(s.url + "/api/v1/health")
	var health struct{ Status, Overall string }
	_ = json.Unmarshal([]byte(body), &health)
	return health.Status, health.Overall
}

// says waits until every place says so of the part.
func (s *server) says(part, state, class string) {
	GinkgoHelper()
	began := time.Now()
	var last seen
	Eventually(func() string {
		last = s.look(part)
		if last.agree(state, class) {
			return ""
		}
		return last.String()
	}, within+slack, "200ms").Should(BeEmpty(), "%s should be %s %s everywhere", part, state, class)
	took := time.Since(began)
	AddReportEntry(fmt.Sprintf("%s is %s after %s (%s are promised)", part, state, took.Round(100*time.Millisecond), within))
}

// shows expects the trouble in every place, dashboards to be served all the same,
// and the log and the information to tell of it.
func (s *server) shows(t trouble) {
	GinkgoHelper()
	s.says(t.part, t.state, t.class)
	status, overall := s.overall()
	Expect([]string{status, overall}).To(Equal([]string{"ok", "degraded"}), "dashboards are served")
	code, body := ask(s.url + "/readyz")
	Expect(code).To(Equal(200), "another instance would do no better: "+body)
	p := s.look(t.part)
	_, class, _ := strings.Cut(p["health"], " ")
	region, isRegion := strings.CutPrefix(t.part, "upstream:")
	if t.part == "log" {
		return // nobody reads it now; see shownWell
	}
	Eventually(func() bool {
		if isRegion { // the poller tells of it
			return s.log.has(map[string]string{"region": region, "err_class": class, "level": "warning"})
		}
		return s.log.has(map[string]string{"part": t.part, "state": t.state})
	}, "10s", "100ms").Should(BeTrue(), "the log tells of it")
	Eventually(func() string { _, body := ask(s.url + "/api/v1/info"); return body }, "10s", "100ms").
		Should(MatchRegexp(`"errors":\[\{.*"class":"`+regexp.QuoteMeta(class)+`"`), "the information counts it")
}

// shownWell expects the end of the trouble in every place.
func (s *server) shownWell(t trouble) {
	GinkgoHelper()
	s.says(t.part, "ok", "")
	Eventually(func() []string { status, overall := s.overall(); return []string{status, overall} }, within+slack, "100ms").
		Should(Equal([]string{"ok", "ok"}))
	if !strings.HasPrefix(t.part, "upstream:") {
		Eventually(func() bool { return s.log.has(map[string]string{"part": t.part, "state": "ok"}) }, "10s", "100ms").Should(BeTrue(), "the log tells of the end")
	}
}
