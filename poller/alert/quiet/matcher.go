package quiet

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// The bounds of the matchers of one silence.
const (
	maxMatchers = 20
	maxName     = 200
	maxValue    = 500
	// maxSteps bounds the size of their compiled regular expressions together.
	maxSteps = 2000
)

// matcher is a matcher that is ready to match.
type matcher struct {
	alert.Matcher
	expr *regexp.Regexp // nil without a regular expression
}

// compileMatchers returns the matchers, or a sentence that says which is wrong.
// At least one of them must need a text: else the silence would hide everything
// that lacks the label.
func compileMatchers(all []alert.Matcher) ([]matcher, error) {
	if len(all) == 0 || len(all) > maxMatchers {
		return nil, refuse("%d matchers: 1 to %d are allowed", len(all), maxMatchers)
	}
	ready, steps, needs := make([]matcher, 0, len(all)), 0, false
	for i, m := range all {
		one, n, err := compileMatcher(m)
		if err != nil {
			return nil, refuse("matchers[%d]: %v", i, err)
		}
		if steps += n; steps > maxSteps {
			return nil, refuse("matchers[%d]: the regular expressions are too large together: use shorter ones, or fewer repetitions", i)
		}
		needs = needs || !one.matches("")
		ready = append(ready, one)
	}
	if !needs {
		return nil, refuse("these matchers match alerts without any label: at least one must need a text, such as alertname=~\".+\" for all alerts")
	}
	return ready, nil
}

func compileMatcher(m alert.Matcher) (one matcher, steps int, err error) {
	switch {
	case m.Name == "" || len(m.Name) > maxName || !isText(m.Name):
		return one, 0, fmt.Errorf("the name %.40q is none: 1 to %d bytes of text are allowed", m.Name, maxName)
	case len(m.Value) > maxValue || !isText(m.Value):
		return one, 0, fmt.Errorf("the value of %s is no text, or longer than %d bytes", m.Name, maxValue)
	case !m.IsRegex:
		return matcher{Matcher: m}, 0, nil
	}
	whole := "^(?:" + m.Value + ")$"
	parsed, err := syntax.Parse(m.Value, syntax.Perl) // alone first: a bracket must not end ours
	if err == nil {
		var compiled *syntax.Prog
		if compiled, err = syntax.Compile(parsed.Simplify()); err == nil {
			steps = len(compiled.Inst)
		}
	}
	if err != nil {
		return one, 0, fmt.Errorf("the value of %s is no regular expression (%v)", m.Name, err)
	}
	if steps > maxSteps {
		return one, steps, nil
	}
	expr, err := regexp.Compile(whole)
	if err != nil {
		return one, 0, fmt.Errorf("the value of %s is no regular expression (%v)", m.Name, err)
	}
	return matcher{m, expr}, steps, nil
}

func (m *matcher) matches(value string) bool {
	if m.expr != nil {
		return m.expr.MatchString(value) == m.IsEqual
	}
	return (value == m.Value) == m.IsEqual
}

// matchAll reports whether labels have all that the matchers ask for. A label that
// is missing is the empty text.
func matchAll(all []matcher, labels map[string]string) bool {
	for i := range all {
		if !all[i].matches(labels[all[i].Name]) {
			return false
		}
	}
	return true
}

// isText reports whether a text is UTF-8 without control characters.
func isText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return false
		}
	}
	return true
}
