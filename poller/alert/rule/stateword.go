package rule

import (
	"slices"

	"github.com/expr-lang/expr/ast"

	"github.com/devops-insights/devops-insights/store"
)

// states checks that a state is compared with words that a state can be: one that
// is misspelt makes a rule that never fires.
func (g *guard) states(n *ast.BinaryNode) {
	switch {
	case n.Operator == "in" && g.isState(n.Left):
		if list, ok := n.Right.(*ast.ArrayNode); ok {
			for _, word := range list.Nodes {
				g.state(word)
			}
		}
	case n.Operator != "==" && n.Operator != "!=":
	case g.isState(n.Left):
		g.state(n.Right)
	case g.isState(n.Right):
		g.state(n.Left)
	}
}

// isState reports whether a node is the name state. The field of an object of the
// value may have that name, too, and be anything.
func (g *guard) isState(n ast.Node) bool {
	name, ok := n.(*ast.IdentifierNode)
	return ok && name.Value == "state" && !slices.Contains(g.variables, name.Value)
}

func (g *guard) state(n ast.Node) {
	word, ok := n.(*ast.StringNode)
	if !ok {
		return
	}
	switch store.State(word.Value) {
	case store.StateUp, store.StateDegraded, store.StateDown, store.StateUnknown:
	default:
		g.fail(n, failf("%q is no state: there are %s, %s, %s and %s",
			clip(word.Value, maxPath), store.StateUp, store.StateDegraded, store.StateDown, store.StateUnknown))
	}
}
