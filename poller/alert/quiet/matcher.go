package quiet

import (
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/devops-insights/devops-insights/poller/alert"
)

const (
	// maxMatchers bounds the matchers of a silence, and maxMatcher the texts of one.
	maxMatchers = 20
	maxMatcher  = 500
	// maxText bounds a comment, and maxName the name of a person or a title.
	maxText, maxName = 2000, 200
)

// labelName is what Prometheus takes for the name of a label.
var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// matcher is a Matcher that is ready to compare.
type matcher struct {
	alert.Matcher
	pattern *regexp.Regexp // nil: Value itself
}

// newMatcher compiles a matcher, or says what is wrong with it.
func newMatcher(m alert.Matcher) (matcher, error) {
	if !labelName.MatchString(m.Name) || len(m.Name) > maxName {
		return matcher{}, errors.New("a matcher's name is no name of a label: letters, digits and _ are allowed, and it does not begin with a digit")
	}
	if len(m.Value) > maxMatcher || !utf8.ValidString(m.Value) {
		return matcher{}, fmt.Errorf("the value of the matcher %s is longer than %d bytes, or no valid UTF-8", m.Name, maxMatcher)
	}
	if !m.IsRegex {
		return matcher{m, nil}, nil
	}
	pattern, err := regexp.Compile("^(?:" + m.Value + ")$")
	if err != nil {
		return matcher{}, fmt.Errorf("the value of the matcher %s is no regular expression: %w", m.Name, err)
	}
	return matcher{m, pattern}, nil
}

func newMatchers(all []alert.Matcher) (ready []matcher, err error) {
	if len(all) == 0 || len(all) > maxMatchers {
		return nil, fmt.Errorf("a silence needs 1 to %d matchers: for every alert of a region, {\"name\":\"region\",\"value\":\"eu-west\",\"isEqual\":true}", maxMatchers)
	}
	for _, m := range all {
		one, err := newMatcher(m)
		if err != nil {
			return nil, err
		}
		ready = append(ready, one)
	}
	return ready, nil
}

// matches reports whether all of them match.
func matches(all []matcher, labels map[string]string) bool {
	for _, m := range all {
		value := labels[m.Name]
		equal := value == m.Value
		if m.pattern != nil {
			equal = m.pattern.MatchString(value)
		}
		if equal != m.IsEqual {
			return false
		}
	}
	return true
}
