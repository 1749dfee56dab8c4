package rule

import (
	"cmp"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

const (
	// maxExpr bounds the length of an expression, in bytes.
	maxExpr = 4000
	// maxNodes bounds what is in it: names, numbers, operators and so on.
	maxNodes = 500
)

// program is an expression that is ready to be run.
type program struct {
	over    Over
	windows []time.Duration
	code    *vm.Program
}

// compileExpr compiles an expression over what it says, or over what it has a
// meaning for.
func compileExpr(text string, over Over) (*program, error) {
	if over != "" {
		return compileOver(text, over)
	}
	p, err := compileOver(text, OverRegion)
	if err == nil {
		return p, nil
	}
	p, other := compileOver(text, OverAll)
	if other == nil {
		return p, nil
	}
	if further(other, err) {
		return nil, other
	}
	return nil, err
}

// further reports whether a was found behind b: more of the expression was right.
func further(a, b error) bool {
	var x, y *Error
	return errors.As(a, &x) && errors.As(b, &y) && cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column)) > 0
}

func compileOver(text string, over Over) (*program, error) {
	if strings.TrimSpace(text) == "" {
		return nil, &Error{Field: "expr", Sentence: "a condition is expected, for example down"}
	}
	if len(text) > maxExpr {
		return nil, &Error{Field: "expr", Sentence: failf("the expression is longer than %d bytes", maxExpr).Error()}
	}
	functions := functions()
	tree, err := checker.ParseCheck(text, forChecker(over, functions))
	if err != nil {
		return nil, inExpr(err, over)
	}
	windows, err := guarded(tree, functions)
	if err != nil {
		return nil, inExpr(err, over)
	}
	code, err := compiler.Compile(tree, forCompiler(functions))
	if err != nil {
		return nil, &Error{Field: "expr", Sentence: "the expression cannot be compiled"}
	}
	slices.Sort(windows)
	return &program{over, slices.Compact(windows), code}, nil
}

// forChecker knows the names and the functions by their types.
func forChecker(over Over, functions map[string]function) *conf.Config {
	config := conf.CreateNew()
	config.WithEnv(names(over))
	config.Strict, config.MaxNodes = true, maxNodes
	config.Expect, config.ExpectAny = reflect.Bool, true
	for _, b := range builtin.Builtins {
		if !slices.Contains(loops, b.Name) {
			config.Disabled[b.Name] = true
			delete(config.Builtins, b.Name)
		}
	}
	for name, f := range functions {
		config.Functions[name] = f.checked(name)
	}
	return config
}

// forCompiler knows the operations, by what the guard calls them.
func forCompiler(functions map[string]function) *conf.Config {
	config := conf.CreateNew()
	config.Optimize = false // what it puts in has no guard
	add := func(name string, do operation) {
		config.Functions[name] = &builtin.Function{Name: name, Func: func(args ...any) (any, error) {
			return do(args[0].(*run), args[1:])
		}}
	}
	for name, f := range functions {
		add(name, f.do)
	}
	for name, do := range operators() {
		add(name, do)
	}
	return config
}

// holds runs the program.
func (p *program) holds(f Facts, only []string) (bool, error) {
	result, err := vm.Run(p.code, newRun(f, only))
	switch {
	case errors.Is(err, errUnwatched):
		return false, nil
	case err != nil:
		return false, inExpr(err, p.over)
	}
	holds, _ := result.(bool)
	return holds, nil
}

// inExpr returns expr's error as an *Error.
func inExpr(err error, over Over) error {
	var (
		at    *file.Error
		known *failure
	)
	e := &Error{Field: "expr", Sentence: "the expression cannot be evaluated"}
	if !errors.As(err, &at) {
		if text := err.Error(); strings.HasPrefix(text, "expected bool, but got ") {
			e.Sentence = "the expression must be true or false, and is " + strings.TrimPrefix(text, "expected bool, but got ")
		}
		return e
	}
	e.Line, e.Column = at.Line, at.Column+1
	e.Sentence, _, _ = strings.Cut(at.Message, "\n")
	if errors.As(err, &known) {
		e.Sentence = known.sentence
	}
	if strings.HasPrefix(e.Sentence, "unknown name ") {
		e.Sentence += "; there are " + sorted(names(over))
	}
	if e.Sentence = strings.ReplaceAll(e.Sentence, "compilation failed: ", ""); len(e.Sentence) > maxSentence {
		e.Sentence = clip(e.Sentence, maxSentence)
	}
	return e
}

// maxSentence bounds what an error says, in characters.
const maxSentence = 1000

// clip cuts a text to so many characters.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	n := 0
	for i := range text {
		if n++; n == most {
			rest := text[i:]
			if len([]rune(rest[:min(len(rest), 8)])) > 1 {
				return text[:i] + "…"
			}
		}
	}
	return text
}
