package outcome

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/fieldpath"
)

// Classifier says which state a value means.
type Classifier struct {
	path         []string
	up, degraded []string // in lower case
}

// NewClassifier returns a Classifier that looks at a field of the value: the
// names on the way to it, joined with dots (a dot within a name is written \.,
// a backslash \\). Its words are compared with up and degraded without regard to
// case; any other word means that the region is down.
func NewClassifier(field string, up, degraded []string) (*Classifier, error) {
	path := fieldpath.Split(field)
	backslashes := len(field) - len(strings.TrimRight(field, `\`))
	if slices.Contains(path, "") || backslashes%2 == 1 { // the last one is followed by nothing
		return nil, fmt.Errorf("%q is no path of a field: names joined with dots are expected, for example status or results.state", field)
	}
	c := &Classifier{path: path, up: lower(up), degraded: lower(degraded)}
	if len(c.up) == 0 {
		return nil, fmt.Errorf("no word means up: at least one is expected, for example ok")
	}
	for _, word := range c.up {
		if slices.Contains(c.degraded, word) {
			return nil, fmt.Errorf("the word %q means up and degraded: only one of them is possible", word)
		}
	}
	return c, nil
}

func lower(words []string) (all []string) {
	for _, word := range words {
		if word = strings.ToLower(strings.TrimSpace(word)); word != "" && !slices.Contains(all, word) {
			all = append(all, word)
		}
	}
	return all
}

// State returns what a value means, and its own words where it is not up. A
// value that does not have the field, or null in it, is up: the upstream
// answered, and says nothing else.
func (c *Classifier) State(data json.RawMessage) (state store.State, reason string) {
	words, found := c.words(data)
	word := strings.ToLower(strings.TrimSpace(words))
	switch {
	case !found || slices.Contains(c.up, word):
		return store.StateUp, ""
	case slices.Contains(c.degraded, word):
		return store.StateDegraded, tidy(words)
	}
	return store.StateDown, tidy(words)
}

// words returns the field: a text as it is, anything else as its JSON.
func (c *Classifier) words(data json.RawMessage) (words string, found bool) {
	for _, name := range c.path {
		var members map[string]json.RawMessage
		if !bytes.HasPrefix(data, []byte("{")) || json.Unmarshal(data, &members) != nil {
			return "", false
		}
		if data, found = members[name]; !found {
			return "", false
		}
	}
	if string(data) == "null" {
		return "", false
	}
	if json.Unmarshal(data, &words) == nil {
		return words, true
	}
	return string(data), true
}

// maxReason bounds the words of a value, in characters.
const maxReason = 100

// tidy makes one short line of what an upstream wrote.
func tidy(words string) string {
	n := 0
	words = strings.Map(func(sign rune) rune {
		if n++; n > 4*maxReason {
			return -1
		}
		if unicode.IsControl(sign) || unicode.IsSpace(sign) {
			return ' '
		}
		return sign
	}, strings.ToValidUTF8(words, "�"))
	signs := []rune(strings.TrimSpace(words))
	if len(signs) > maxReason {
		signs = append(signs[:maxReason-1], '…')
	}
	if len(signs) == 0 {
		return "(empty)"
	}
	return string(signs)
}
