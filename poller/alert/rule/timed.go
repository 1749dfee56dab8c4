package rule

import (
	"slices"
	"strings"
)

// Timed reports whether the time alone may change what the rule says: whether a
// word is in its expression that stands for a time, or for a part of the past.
// Where it does not, the answer stays the same as long as the other facts do.
func (c *Compiled) Timed() bool {
	words := strings.FieldsFunc(c.rule.Expr, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	return slices.ContainsFunc(words, func(word string) bool {
		switch word {
		case "age", "unchanged", "now", "date", "duration", "burn_rate":
			return true
		}
		return strings.HasPrefix(word, "uptime")
	})
}
