package fieldpath_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store/fieldpath"
)

func TestPatternsMatch(t *testing.T) {
	g := NewWithT(t)
	for _, c := range []struct {
		pattern, path string
		fits          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "a.b", true}, {"a", "a", true}, {"a", "ab", false},
		{"a*", "ab", true}, {"*b", "ab", true}, {"a*c", "abbc", true}, {"a*c", "abcb", false}, {"*a*", "bab", true}, {"a**b", "ab", true},
		{strings.Repeat("a*", 200) + "b", strings.Repeat("a", 400), false},
	} {
		g.Expect(fieldpath.Matches(c.pattern, c.path)).To(Equal(c.fits), "%q %q", c.pattern, c.path)
	}
}

func TestPathsComeApartAsTheyWereJoined(t *testing.T) {
	g := NewWithT(t)
	for _, names := range [][]string{{"a"}, {"a", "b"}, {"a.b", `c\`, `\.`, ""}, {"é", "0"}} {
		var path []byte
		for _, n := range names {
			path = fieldpath.Append(path, []byte(n))
		}
		g.Expect(fieldpath.Split(string(path))).To(Equal(names))
	}
	g.Expect(fieldpath.Split(`a\`)).To(Equal([]string{`a\`}), "a backslash without anything to stand for")
	g.Expect(fieldpath.Split("a..b")).To(Equal([]string{"a", "", "b"}))
}
