package rule

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
)

const (
	// maxPattern bounds what a regular expression costs for each byte.
	maxPattern = 1000
	// maxPath bounds how much of an expression, and of a name, is in a sentence.
	maxPath = 100
)

// loops are the functions of expr that go through a list; the others are not
// there, since expr does not bound what they cost.
var loops = []string{"all", "none", "any", "one", "filter", "map", "find", "findIndex", "findLast", "findLastIndex", "count", "sum", "reduce"}

// guard rewrites a tree whose types are right so that each operation that may
// take long, or fail, is an operation of this package. What stays expr's is the
// control: and, or, ?:, let, and going through lists.
type guard struct {
	functions map[string]function
	variables []string
	windows   []time.Duration
	// err is the first thing that is wrong, and at its place.
	err   string
	place file.Location
}

// guarded rewrites the tree and returns the windows of uptime that it needs.
func guarded(tree *parser.Tree, functions map[string]function) ([]time.Duration, error) {
	g := &guard{functions: functions}
	tree.Node = call(tree.Node, "bool", g.node(tree.Node, false))
	if g.err != "" {
		return nil, (&file.Error{Location: g.place, Message: g.err}).Bind(tree.Source)
	}
	return g.windows, nil
}

func (g *guard) fail(at ast.Node, err error) {
	if g.err == "" {
		g.err, g.place = err.Error(), at.Location()
	}
}

// call is a call of an operation in the place of a node.
func call(at ast.Node, name string, args ...ast.Node) ast.Node {
	n := &ast.CallNode{
		Callee:    &ast.IdentifierNode{Value: name},
		Arguments: append([]ast.Node{&ast.IdentifierNode{Value: "$env"}}, args...),
	}
	n.SetLocation(at.Location())
	return n
}

func constant(v any) ast.Node { return &ast.ConstantNode{Value: v} }

// node rewrites a node. Where lenient is true, what is missing is nothing instead
// of a failure.
func (g *guard) node(n ast.Node, lenient bool) ast.Node {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return g.identifier(n, lenient)
	case *ast.UnaryNode:
		return g.unary(n)
	case *ast.BinaryNode:
		return g.binary(n)
	case *ast.ChainNode:
		return g.node(n.Node, true)
	case *ast.MemberNode:
		if name, ok := n.Property.(*ast.StringNode); ok {
			g.needs(name.Value)
		}
		path := clip(n.Node.String(), maxPath)
		of := g.node(n.Node, lenient || n.Optional)
		return call(n, ".", of, g.node(n.Property, false), constant(lenient || n.Optional), constant(path))
	case *ast.SliceNode:
		from, to := ast.Node(&ast.NilNode{}), ast.Node(&ast.NilNode{})
		if n.From != nil {
			from = g.node(n.From, false)
		}
		if n.To != nil {
			to = g.node(n.To, false)
		}
		return call(n, "[:]", g.node(n.Node, false), from, to)
	case *ast.CallNode:
		return g.call(n)
	case *ast.BuiltinNode:
		return g.loop(n)
	case *ast.VariableDeclaratorNode:
		n.Value = g.node(n.Value, false)
		g.variables = append(g.variables, n.Name)
		n.Expr = g.node(n.Expr, lenient)
		g.variables = g.variables[:len(g.variables)-1]
	case *ast.ConditionalNode:
		n.Cond = g.condition(n.Cond)
		n.Exp1, n.Exp2 = g.node(n.Exp1, lenient), g.node(n.Exp2, lenient)
	case *ast.SequenceNode:
		g.nodes(n.Nodes)
	case *ast.ArrayNode:
		g.nodes(n.Nodes)
	case *ast.NilNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.PointerNode:
	default: // objects and bytes
		g.fail(n, errors.New("a rule can hold numbers, texts, lists, true, false and nil, but not this"))
	}
	return n
}

func (g *guard) nodes(nodes []ast.Node) {
	for i := range nodes {
		nodes[i] = g.node(nodes[i], false)
	}
}

func (g *guard) identifier(n *ast.IdentifierNode, lenient bool) ast.Node {
	_, isFunction := g.functions[n.Value]
	switch {
	case slices.Contains(g.variables, n.Value):
		return n
	case n.Value == "data":
		return call(n, "data", constant(lenient))
	case n.Value == "status":
		return call(n, ".", call(n, "data", constant(lenient)), constant("status"), constant(lenient), constant("data"))
	case isFunction:
		g.fail(n, failf("%s is a function: it has its arguments in parentheses after it", n.Value))
	case n.Value == "$env":
		g.fail(n, errors.New("there is no $env in a rule"))
	}
	g.needs(n.Value)
	return call(n, "name", constant(n.Value))
}

// needs notes the window that a name stands for.
func (g *guard) needs(name string) {
	if window, ok := uptimeNames[name]; ok {
		g.windows = append(g.windows, window)
	}
}

// condition is a node that must be true or false.
func (g *guard) condition(n ast.Node) ast.Node { return call(n, "bool", g.node(n, false)) }

func (g *guard) unary(n *ast.UnaryNode) ast.Node {
	switch n.Operator {
	case "!", "not":
		return call(n, "not", g.node(n.Node, false))
	case "-":
		return call(n, "neg", g.node(n.Node, false))
	}
	return g.node(n.Node, false)
}

func (g *guard) binary(n *ast.BinaryNode) ast.Node {
	g.states(n)
	switch n.Operator {
	case "&&", "and", "||", "or":
		n.Left, n.Right = g.condition(n.Left), g.condition(n.Right)
		return n
	case "??":
		n.Left, n.Right = g.node(n.Left, true), g.node(n.Right, false)
		return n
	case "==", "!=":
		_, left := n.Left.(*ast.NilNode)
		_, right := n.Right.(*ast.NilNode)
		return call(n, n.Operator, g.node(n.Left, right), g.node(n.Right, left))
	case "matches":
		return call(n, n.Operator, g.node(n.Left, false), g.pattern(n.Right))
	}
	return call(n, n.Operator, g.node(n.Left, false), g.node(n.Right, false))
}

// pattern compiles a regular expression, which is a text of the expression: what
// it costs is known then.
func (g *guard) pattern(n ast.Node) ast.Node {
	text, ok := n.(*ast.StringNode)
	if !ok {
		g.fail(n, errors.New(`matches needs a regular expression that is written out, for example "^5"`))
		return n
	}
	tree, err := syntax.Parse(text.Value, syntax.Perl)
	if err != nil {
		g.fail(n, errors.New(plainly(err.Error())))
		return n
	}
	weight := weigh(tree)
	if weight > maxPattern {
		g.fail(n, errors.New("this regular expression is too large: use smaller counts in braces"))
		return n
	}
	compiled, err := regexp.Compile(text.Value)
	if err != nil {
		g.fail(n, errors.New(plainly(err.Error())))
		return n
	}
	return constant(&pattern{compiled, weight})
}

// weigh returns about how many instructions a regular expression has, without
// making them.
func weigh(re *syntax.Regexp) int {
	weight := 1
	if re.Op == syntax.OpLiteral {
		weight = len(re.Rune)
	}
	for _, sub := range re.Sub {
		weight = min(weight+weigh(sub), 2*maxPattern)
	}
	if re.Op == syntax.OpRepeat {
		weight *= max(re.Min, re.Max, 1)
	}
	return min(weight, 2*maxPattern)
}

func (g *guard) call(n *ast.CallNode) ast.Node {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		g.fail(n, errors.New("only functions can be called, and a field of a value is none"))
		return n
	}
	if _, known := g.functions[callee.Value]; !known || slices.Contains(g.variables, callee.Value) {
		g.fail(n, errors.New(noFunction(callee.Value)))
		return n
	}
	switch callee.Value {
	case "uptime":
		return call(n, "uptime of", g.window(n.Arguments[0]))
	case "burn_rate":
		return call(n, "burn rate of", g.window(n.Arguments[0]), g.target(n.Arguments[1]))
	case "duration":
		if text, ok := n.Arguments[0].(*ast.StringNode); ok {
			if _, err := parseDuration(text.Value); err != nil {
				g.fail(text, err)
			}
		}
	}
	g.nodes(n.Arguments)
	return call(n, callee.Value, n.Arguments...)
}

// window is the first argument of uptime: what is watched must be known before.
func (g *guard) window(n ast.Node) ast.Node {
	text, ok := n.(*ast.StringNode)
	if !ok {
		g.fail(n, errors.New(`the window must be written out, for example "6h"`))
		return n
	}
	window, err := parseWindow(text.Value)
	if err != nil {
		g.fail(n, err)
		return n
	}
	g.windows = append(g.windows, window)
	return constant(int(window))
}

// target is the second argument of burn_rate.
func (g *guard) target(n ast.Node) ast.Node {
	percent := -1.0
	switch n := n.(type) {
	case *ast.IntegerNode:
		percent = float64(n.Value)
	case *ast.FloatNode:
		percent = n.Value
	default:
		return g.node(n, false)
	}
	if percent < 0 || percent >= 100 {
		g.fail(n, errors.New("the target of burn_rate is a number of percent from 0 to below 100, for example 99.9"))
	}
	return n
}

// loop rewrites a function that goes through a list. What a round costs is known
// from the size of the predicate; the operations in it count their own steps.
func (g *guard) loop(n *ast.BuiltinNode) ast.Node {
	if !slices.Contains(loops, n.Name) {
		g.fail(n, errors.New(noFunction(n.Name)))
		return n
	}
	if len(n.Arguments) == 1 { // count(list) and sum(list)
		n.Arguments = append(n.Arguments, &ast.PredicateNode{Node: &ast.PointerNode{}})
		n.Arguments[1].SetLocation(n.Location())
	}
	predicate, ok := n.Arguments[1].(*ast.PredicateNode)
	if !ok {
		g.fail(n, errors.New("this is not possible in a rule"))
		return n
	}
	weight := &counter{}
	ast.Walk(&n.Arguments[1], weight)
	n.Arguments[0] = call(n.Arguments[0], "loop", g.node(n.Arguments[0], false), constant(n.Name), constant(weight.nodes))
	for i := range n.Arguments[2:] {
		n.Arguments[2+i] = g.node(n.Arguments[2+i], false)
	}
	switch n.Name {
	case "map", "reduce":
		predicate.Node = g.node(predicate.Node, false)
	case "sum":
		predicate.Node = call(predicate, "number", g.node(predicate.Node, false))
	default:
		predicate.Node = call(predicate, "bool", g.node(predicate.Node, false))
	}
	return n
}

type counter struct{ nodes int }

func (c *counter) Visit(*ast.Node) { c.nodes++ }
