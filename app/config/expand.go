package config

import (
	"strings"

	"github.com/devops-insights/devops-insights/app/config/yamltree"
)

// expand replaces ${NAME} by the variable, also where NAME_FILE has its value,
// ${NAME:-text} by the text where there is none, and $$ by $.
func (y *yamlFile) expand(n *yamltree.Node) (text string, ok bool) {
	var out strings.Builder
	for rest := n.Text; ; {
		before, after, found := strings.Cut(rest, "$")
		out.WriteString(before)
		switch {
		case !found:
			return out.String(), true
		case strings.HasPrefix(after, "$"):
			out.WriteByte('$')
			rest = after[1:]
		case strings.HasPrefix(after, "{"):
			inside, behind, closed := strings.Cut(after[1:], "}")
			value, ok := y.variable(n, inside, closed)
			if !ok {
				return "", false
			}
			out.WriteString(value)
			rest = behind
		default:
			out.WriteByte('$')
			rest = after
		}
	}
}

// variable returns what stands for ${inside}.
func (y *yamlFile) variable(n *yamltree.Node, inside string, closed bool) (value string, ok bool) {
	name, instead, optional := strings.Cut(inside, ":-")
	if !closed || !isVariable(name) {
		y.bad(n.Place, "the name of an environment variable is expected between ${ and }, as in ${ACME_KEY} or ${ACME_KEY:-text}; a $ before { is written $$")
		return "", false
	}
	had := len(y.r.problems)
	if value, _ = y.v.secret(name, y.r); len(y.r.problems) > had {
		y.r.place(had, y.path, n.Place)
		return "", false
	}
	if value == "" && !optional {
		y.bad(n.Place, "${%s} is not set: the environment, or .env, has no %[1]s; ${%[1]s:-} makes it empty where it is not there, and a $ before { is written $$", name)
		return "", false
	}
	if value == "" {
		value = instead
	}
	return value, true
}

func isVariable(name string) bool {
	if name == "" || len(name) > 100 || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	return strings.IndexFunc(name, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) < 0
}
