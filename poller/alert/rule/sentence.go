package rule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/file"
)

// maxSentence bounds what an error says, in characters.
const maxSentence = 1000

// inExpr returns an error of expr as an *Error.
func inExpr(err error, text string) *Error {
	var (
		at    *file.Error
		known *failure
	)
	e := &Error{Field: "expr"}
	if errors.As(err, &at) {
		e.Line, e.Column = at.Line, at.Column+1
		e.Sentence, _, _ = strings.Cut(at.Message, "\n")
	} else {
		e.Sentence, _, _ = strings.Cut(err.Error(), "\n")
	}
	switch name, isName := strings.CutPrefix(e.Sentence, "unknown name "); {
	case errors.As(err, &known):
		e.Sentence = known.sentence
	case isName && isCalled(text, name, e.Line, e.Column):
		e.Sentence = noFunction(name)
	case isName:
		e.unknown = name
		e.Sentence = "there is no name " + clip(name, maxPath)
	default:
		e.Sentence = plainly(e.Sentence)
	}
	e.Sentence = clip(e.Sentence, maxSentence)
	return e
}

func noFunction(name string) string {
	return "there is no function " + clip(name, maxPath) + "; there are " + sorted(functions()) + ", " + strings.Join(loops, ", ")
}

// isCalled reports whether the name at a place has parentheses behind it.
func isCalled(text, name string, line, column int) bool {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) {
		return false
	}
	signs := []rune(lines[line-1])
	from := column - 1 + len([]rune(name))
	return from >= 0 && from <= len(signs) && strings.HasPrefix(strings.TrimSpace(string(signs[from:])), "(")
}

// plainly replaces the words of Go and of expr by those of people.
func plainly(text string) string {
	if what, ok := strings.CutPrefix(text, "expected bool, but got "); ok {
		return "the expression must be true or false, and is " + typeName(what)
	}
	if sign, ok := unexpected(text); ok {
		if sign == "=" {
			return "= means nothing here: == compares"
		}
		return sign + " is not expected here"
	}
	switch text {
	case "literal not terminated":
		return "this text has no end: a quote is missing"
	case "unexpected token EOF", "unexpected end of expression":
		return "the expression ends too early"
	case "memory budget exceeded":
		return "it takes too much memory on this value: look at fewer elements"
	case "compilation failed: expression exceeds maximum allowed nodes":
		return fmt.Sprintf("the expression is too large: at most %d names, numbers and operators are possible", maxNodes)
	}
	if why, ok := strings.CutPrefix(text, "error parsing regexp: "); ok {
		return "this is no regular expression: " + why
	}
	if field, ok := strings.CutPrefix(text, "unknown field "); ok { // only those of regions are known
		region := names(OverRegion)
		delete(region, "region")
		delete(region, "offline")
		return "a region in regions has no " + field + "; it has name, " + sorted(region)
	}
	if strings.Contains(text, "func(") {
		return "a function has its arguments in parentheses after its name"
	}
	if !strings.Contains(text, "invalid operation") && !strings.Contains(text, "takes only array") && !strings.Contains(text, "predicate should") {
		return text // it may hold names of people
	}
	return strings.NewReplacer(
		"builtin ", "", "map[string]interface {}", "object", "[]interface {}", "list", "interface {}", "any value",
		"float64", "number", "int)", "whole number)", "int ", "whole number ", "string", "text", "boolean", "true or false", "bool", "true or false", "only array", "only a list",
	).Replace(text)
}

// unexpected returns what stands where it must not, as in
// unexpected token Operator("=").
func unexpected(text string) (sign string, ok bool) {
	token, ok := strings.CutPrefix(text, "unexpected token ")
	_, quoted, found := strings.Cut(strings.TrimSuffix(token, ")"), "(")
	if !ok || !found {
		return "", false
	}
	sign, err := strconv.Unquote(quoted)
	return clip(sign, maxPath), err == nil
}

// typeName names a type of Go.
func typeName(of string) string {
	switch of {
	case "int", "float64":
		return "a number"
	case "string":
		return "a text"
	case "bool":
		return "true or false"
	case "[]interface {}", "array":
		return "a list"
	case "map[string]interface {}":
		return "an object"
	case "<nil>", "nil":
		return "nothing (nil)"
	}
	return "any value"
}

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
