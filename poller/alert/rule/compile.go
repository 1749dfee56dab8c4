package rule

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
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
	text    string
	over    Over
	windows []time.Duration
	code    *vm.Program
}

// compileExpr compiles an expression over what it says, or over what it has a
// meaning for.
func compileExpr(text string, over Over) (*program, *Error) {
	if over != "" {
		return compileOver(text, over)
	}
	p, err := compileOver(text, OverRegion)
	if err == nil {
		return p, nil
	}
	p, other := compileOver(text, OverAll)
	switch {
	case other == nil:
		return p, nil
	case err.unknown == "regions" || (strings.Contains(err.Sentence, "a list") && strings.Contains(err.Sentence, "true or false")):
		return nil, other // down as a list is meant, and such
	}
	return nil, err
}

func compileOver(text string, over Over) (made *program, wrong *Error) {
	defer func() {
		if recover() != nil { // a fault of expr's must not end the program
			made, wrong = nil, &Error{Field: "expr", Sentence: "the expression cannot be compiled: write it in another way"}
		}
	}()
	if strings.TrimSpace(text) == "" {
		return nil, &Error{Field: "expr", Sentence: "a condition is expected, for example down"}
	}
	if len(text) > maxExpr {
		return nil, &Error{Field: "expr", Sentence: failf("the expression is longer than %d bytes", maxExpr).Error()}
	}
	functions := functions()
	tree, err := checker.ParseCheck(text, forChecker(over, functions))
	if err != nil {
		e := inExpr(err, text)
		if e.unknown != "" {
			e.Sentence += "; there are " + sorted(names(over))
		}
		return nil, e
	}
	windows, err := guarded(tree, functions)
	if err != nil {
		return nil, inExpr(err, text)
	}
	code, err := compiler.Compile(tree, forCompiler(functions))
	if err != nil {
		return nil, &Error{Field: "expr", Sentence: "the expression cannot be compiled: write it in another way"}
	}
	slices.Sort(windows)
	return &program{text, over, slices.Compact(windows), code}, nil
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
		return false, inExpr(err, p.text)
	}
	holds, _ := result.(bool)
	return holds, nil
}
