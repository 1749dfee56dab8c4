package rule

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// maxSummary, maxDescription and maxURL bound what texts become, in characters.
	maxSummary     = 1000
	maxDescription = 4000
	maxURL         = 2000
	// maxTemplate bounds what is written in the settings, in bytes.
	maxTemplate = 4000
)

// text is a text of a rule, ready to be filled in.
type text struct {
	most     int
	template *template.Template
	// uptimes are the names of uptime that it shows.
	uptimes []string
}

// compileText checks the text of a field, by its parts and with samples.
func compileText(field, source string, over Over, most int) (*text, *Error) {
	if len(source) > maxTemplate {
		return nil, &Error{Field: field, Sentence: fmt.Sprintf("the text is longer than %d bytes", maxTemplate)}
	}
	t, err := template.New(field).Option("missingkey=error").Funcs(helpers(nil)).Parse(source)
	if err != nil {
		return nil, inText(field, source, err)
	}
	c := &textCheck{source: source, over: over, names: textNames(over)}
	if len(t.Templates()) > 1 {
		return nil, &Error{Field: field, Line: 1, Column: 1, Sentence: "a text cannot define others"}
	}
	if t.Tree != nil { // not where there are only comments
		c.node(t.Root)
	}
	if c.err != nil {
		c.err.Field = field
		return nil, c.err
	}
	made := &text{most, t, slices.Compact(slices.Sorted(slices.Values(c.uptimes)))}
	for _, sample := range samples(over) {
		if _, err := made.fill(sample); err != nil {
			return nil, inText(field, source, err)
		}
	}
	return made, nil
}

// fill returns the text for a rule and facts. What becomes too long is cut.
func (t *text) fill(s scene) (string, error) {
	clone, err := t.template.Clone()
	if err != nil {
		return "", err
	}
	out := &bounded{most: 4 * t.most}
	err = clone.Funcs(helpers(s.value)).Execute(out, s.names(t.uptimes))
	if err != nil && !errors.Is(err, errFull) {
		return "", err
	}
	return out.String(), nil
}

var errFull = errors.New("the text is too long")

// bounded is a writer that takes so many bytes and no more.
type bounded struct {
	strings.Builder
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.most {
		n, _ := b.Builder.Write(p[:b.most-b.Len()])
		return n, errFull
	}
	return b.Builder.Write(p)
}

// textCheck walks through a text. It lets nothing pass that could take long or
// make much: no loops, no templates within, and only functions that are known.
type textCheck struct {
	source  string
	over    Over
	names   map[string]bool
	uptimes []string
	err     *Error
}

func (c *textCheck) fail(at parse.Node, format string, args ...any) {
	if c.err == nil {
		line, column := placeOf(c.source, int(at.Position()))
		c.err = &Error{Line: line, Column: column, Sentence: fmt.Sprintf(format, args...)}
	}
}

func (c *textCheck) node(n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, each := range n.Nodes {
				c.node(each)
			}
		}
	case *parse.ActionNode:
		c.node(n.Pipe)
	case *parse.IfNode:
		c.node(n.Pipe)
		c.node(n.List)
		c.node(n.ElseList)
	case *parse.PipeNode:
		if n != nil {
			for _, command := range n.Cmds {
				for _, arg := range command.Args {
					c.node(arg)
				}
			}
		}
	case *parse.ChainNode:
		c.node(n.Node)
		c.fail(n, "what a function returns has no fields")
	case *parse.FieldNode:
		c.field(n, n.Ident)
	case *parse.VariableNode:
		if n.Ident[0] == "$" && len(n.Ident) > 1 {
			c.field(n, n.Ident[1:])
		} else if len(n.Ident) > 1 {
			c.fail(n, "a variable has no fields")
		}
	case *parse.IdentifierNode:
		if !slices.Contains(textFunctions(c.over), n.Ident) {
			c.fail(n, "%s", noTextFunction(n.Ident, c.over))
		}
	case *parse.TextNode, *parse.CommentNode, *parse.StringNode, *parse.NumberNode, *parse.BoolNode, *parse.NilNode:
	case *parse.DotNode:
		c.fail(n, "a name is expected after the dot")
	default:
		c.fail(n, "a text can have names, functions and {{if}}, but not this")
	}
}

func (c *textCheck) field(at parse.Node, names []string) {
	name := names[0]
	switch {
	case !c.names[name]:
		c.fail(at, "there is no name %s; there are %s", clip(name, maxPath), sorted(c.names))
	case len(names) > 1:
		c.fail(at, `%s has no fields: those of the value are got by {{value "a.b"}}`, name)
	}
	if _, ok := uptimeNames[name]; ok {
		c.uptimes = append(c.uptimes, name)
	}
}

// textFunctions are those that a text may use: some of text/template's, and helpers.
func textFunctions(over Over) []string {
	all := []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len"}
	for name := range helpers(nil) {
		if name != "value" || over == OverRegion {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

func noTextFunction(name string, over Over) string {
	return "there is no function " + clip(name, maxPath) + "; there are " + strings.Join(textFunctions(over), ", ")
}

// placeOf returns line and column, in characters, of a byte of a text.
func placeOf(source string, at int) (line, column int) {
	before := source[:min(max(at, 0), len(source))]
	start := strings.LastIndexByte(before, '\n') + 1
	return 1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(before[start:])
}

// inText returns an error of text/template as an *Error.
func inText(field, source string, err error) *Error {
	e := &Error{Field: field, Sentence: err.Error()}
	if m := regexp.MustCompile(`^template: [^:]*:(\d+)(?::(\d+))?: (?s:(.*))$`).FindStringSubmatch(err.Error()); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Column, _ = strconv.Atoi(m[2])
		e.Column++
		if lines := strings.Split(source, "\n"); e.Line >= 1 && e.Line <= len(lines) {
			line := lines[e.Line-1]
			e.Column = 1 + utf8.RuneCountInString(line[:min(e.Column-1, len(line))])
		}
		e.Sentence = m[3]
		for _, before := range []string{">: ", "error calling "} { // where it was executed, which the place says
			if i := strings.LastIndex(e.Sentence, before); i >= 0 {
				e.Sentence = e.Sentence[i+len(before):]
			}
		}
	}
	if e.Sentence == "unexpected EOF" {
		e.Sentence = "the text ends too early: {{end}} is missing"
	}
	if m := regexp.MustCompile(`^function "(\w+)" not defined$`).FindStringSubmatch(e.Sentence); m != nil {
		e.Sentence = noTextFunction(m[1], OverRegion)
	}
	e.Sentence = clip(e.Sentence, maxSentence)
	return e
}

// oneLine makes a summary of what a text has become.
func oneLine(text string) string {
	text = strings.Map(func(sign rune) rune {
		switch {
		case unicode.IsControl(sign) || unicode.IsSpace(sign):
			return ' '
		case unicode.Is(unicode.Bidi_Control, sign):
			return -1 // else a value could turn around what stands behind it
		}
		return sign
	}, strings.ToValidUTF8(text, "�"))
	return clip(strings.Join(strings.Fields(text), " "), maxSummary)
}

// paragraphs makes a description of what a text has become.
func paragraphs(text string) string {
	text = strings.Map(func(sign rune) rune {
		if unicode.IsControl(sign) && sign != '\n' && sign != '\t' || unicode.Is(unicode.Bidi_Control, sign) {
			return -1
		}
		return sign
	}, strings.ToValidUTF8(text, "�"))
	return clip(strings.TrimSpace(text), maxDescription)
}

// sampleTime is the time of samples.
func sampleTime() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
