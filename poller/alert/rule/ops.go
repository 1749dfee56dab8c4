package rule

import (
	"math"
	"regexp"
	"strings"
)

// operation is what an operator or a function of an expression does. Each counts
// its steps before it does anything that may take long.
type operation func(r *run, args []any) (any, error)

// operators are what the operators of an expression become. Their names cannot be
// written in an expression.
func operators() map[string]operation {
	ops := map[string]operation{
		"==": equals, "!=": differs, "in": in, "+": add, "..": span, "matches": matches,
		"name": func(r *run, args []any) (any, error) { return r.name(args[0].(string)) },
		"data": data, ".": member, "[:]": slice, "loop": loop, "bool": truth, "number": numeral, "neg": negate, "not": not,
		"uptime of": uptimeOf, "burn rate of": burnRateOf,
	}
	for _, op := range []string{"-", "*", "/", "%", "**", "^"} {
		ops[op] = arithmetic(op)
	}
	for _, op := range []string{"<", "<=", ">", ">="} {
		ops[op] = order(op)
	}
	ops["contains"] = texts("contains", strings.Contains)
	ops["startsWith"] = texts("startsWith", strings.HasPrefix)
	ops["endsWith"] = texts("endsWith", strings.HasSuffix)
	return ops
}

func arithmetic(op string) operation {
	return func(r *run, args []any) (any, error) {
		a, isNumber := number(args[0])
		b, both := number(args[1])
		if !isNumber || !both {
			return nil, failf("%s needs two numbers, not %s and %s", op, kind(args[0]), kind(args[1]))
		}
		switch op {
		case "-":
			return a - b, nil
		case "*":
			return a * b, nil
		case "**", "^":
			return math.Pow(a, b), nil
		}
		if b == 0 {
			return nil, failf("division by zero")
		}
		if op == "/" {
			return a / b, nil
		}
		return math.Mod(a, b), nil
	}
}

func add(r *run, args []any) (any, error) {
	a, isNumber := number(args[0])
	b, both := number(args[1])
	if isNumber && both {
		return a + b, nil
	}
	s, isText := args[0].(string)
	t, both := args[1].(string)
	if !isText || !both {
		return nil, failf("+ needs two numbers or two texts, not %s and %s", kind(args[0]), kind(args[1]))
	}
	if len(s)+len(t) > maxText {
		return nil, failf("the text becomes longer than %d bytes", maxText)
	}
	if err := r.spend(1 + (len(s)+len(t))/4); err != nil { // it takes memory, too
		return nil, err
	}
	return s + t, nil
}

func order(op string) operation {
	return func(r *run, args []any) (any, error) {
		a, isNumber := number(args[0])
		b, both := number(args[1])
		if isNumber && both {
			switch op {
			case "<":
				return a < b, nil
			case "<=":
				return a <= b, nil
			case ">":
				return a > b, nil
			}
			return a >= b, nil
		}
		s, isText := args[0].(string)
		t, both := args[1].(string)
		if !isText || !both {
			return nil, failf("%s cannot compare %s with %s", op, kind(args[0]), kind(args[1]))
		}
		if err := r.spendText(s, t); err != nil {
			return nil, err
		}
		c := strings.Compare(s, t)
		return (c < 0 && op[0] == '<') || (c > 0 && op[0] == '>') || (c == 0 && len(op) == 2), nil
	}
}

func equals(r *run, args []any) (any, error) { return r.equal(args[0], args[1], 0) }

func differs(r *run, args []any) (any, error) {
	same, err := r.equal(args[0], args[1], 0)
	return !same, err
}

// equal compares values of any kind: lists and objects by what is in them.
func (r *run) equal(a, b any, depth int) (bool, error) {
	if depth > maxDepth {
		return false, failf("values that are nested more than %d deep cannot be compared", maxDepth)
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y, nil
	}
	switch a := a.(type) {
	case nil, bool, element:
		switch b.(type) {
		case nil, bool, element:
			return a == b, nil
		}
		return false, nil
	case string:
		b, ok := b.(string)
		if !ok || len(a) != len(b) {
			return false, nil
		}
		return a == b, r.spendText(a)
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false, nil
		}
		return r.equalObjects(a, b, depth)
	}
	list, ok := a.([]any)
	other, both := b.([]any)
	if !ok || !both || len(list) != len(other) {
		return false, nil
	}
	if err := r.spend(1 + len(list)); err != nil {
		return false, err
	}
	for i := range list {
		if same, err := r.equal(list[i], other[i], depth+1); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (r *run) equalObjects(a, b map[string]any, depth int) (bool, error) {
	if err := r.spend(1 + 4*len(a)); err != nil {
		return false, err
	}
	for name, v := range a {
		other, ok := b[name]
		if !ok {
			return false, nil
		}
		if same, err := r.equal(v, other, depth+1); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

// in reports whether a list has an element, or an object a field.
func in(r *run, args []any) (any, error) {
	switch all := args[1].(type) {
	case nil:
		return false, nil
	case map[string]any:
		name, ok := args[0].(string)
		if !ok {
			return nil, failf("the fields of an object are texts, not %s", kind(args[0]))
		}
		_, found := all[name]
		return found, nil
	}
	list, ok := args[1].([]any)
	if !ok {
		return nil, failf("in needs a list or an object on its right, not %s", kind(args[1]))
	}
	if err := r.spend(1 + len(list)); err != nil {
		return nil, err
	}
	for _, v := range list {
		if same, err := r.equal(v, args[0], 0); same || err != nil {
			return same, err
		}
	}
	return false, nil
}

// span is the list of the whole numbers from one to another.
func span(r *run, args []any) (any, error) {
	from, isNumber := number(args[0])
	to, both := number(args[1])
	if !isNumber || !both {
		return nil, failf(".. needs two numbers, not %s and %s", kind(args[0]), kind(args[1]))
	}
	if math.Abs(from) > 1e9 || math.Abs(to) > 1e9 || to-from >= 1e5 || math.IsNaN(to-from) {
		return nil, failf("a range has at most 100000 numbers, up to a billion")
	}
	if err := r.spend(max(1, int(to-from))); err != nil {
		return nil, err
	}
	list := make([]any, 0, int(max(0, to-from+1)))
	for n := int(from); n <= int(to); n++ {
		list = append(list, n)
	}
	return list, nil
}

// pattern is a regular expression with what it costs a byte of text.
type pattern struct {
	*regexp.Regexp
	weight int
}

func matches(r *run, args []any) (any, error) {
	text, ok := args[0].(string)
	if !ok {
		return nil, failf("matches needs a text, not %s", kind(args[0]))
	}
	p := args[1].(*pattern)
	if err := r.spend(10 + len(text)/8*p.weight); err != nil {
		return nil, err
	}
	return p.MatchString(text), nil
}

func texts(op string, do func(s, t string) bool) operation {
	return func(r *run, args []any) (any, error) {
		s, isText := args[0].(string)
		t, both := args[1].(string)
		if !isText || !both {
			return nil, failf("%s needs two texts, not %s and %s", op, kind(args[0]), kind(args[1]))
		}
		if err := r.spendText(s, t); err != nil {
			return nil, err
		}
		return do(s, t), nil
	}
}

func negate(r *run, args []any) (any, error) {
	n, ok := number(args[0])
	if !ok {
		return nil, failf("- needs a number, not %s", kind(args[0]))
	}
	return -n, nil
}

func not(r *run, args []any) (any, error) {
	b, err := truth(r, args)
	if err != nil {
		return nil, err
	}
	return !b.(bool), nil
}
