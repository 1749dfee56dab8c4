// Package yamltree reads a YAML text of a person into a tree whose every part
// knows its place. It keeps values as they are written: what a text means is
// the business of who reads the tree.
//
// Nothing that the text holds is repeated in a problem: a secret may stand
// anywhere in it.
package yamltree

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
)

// Kind says what a node is.
type Kind int

// The kinds of nodes.
const (
	Null     Kind = iota // nothing, ~ or null
	Scalar               // a text, a number, true or false
	Sequence             // a list
	Mapping              // keys with values
)

// Place is a line and a column, both counted from 1; columns count characters.
type Place struct{ Line, Column int }

// String returns line:column.
func (p Place) String() string { return fmt.Sprintf("%d:%d", p.Line, p.Column) }

// Node is one value of the text. Aliases share the node of their anchor, which
// keeps its own place.
type Node struct {
	Kind Kind
	Place
	// Text is the value of a Scalar without its quotes.
	Text string
	// Quoted says that the Scalar has quotes or is a block: it is meant as a text.
	Quoted bool
	// Items are those of a Sequence.
	Items []*Node
	// Entries are those of a Mapping, in the order of the text; each key is there
	// once.
	Entries []Entry

	lines []string // of the whole text, for a Scalar
	size  int      // the nodes in it, with aliases counted as often as they stand
}

// Entry is one key of a Mapping with its value.
type Entry struct {
	Key string
	Place
	Value *Node
}

// Problem is a sentence about a place in the text.
type Problem struct {
	Place
	Sentence string
}

// The bounds of a text. A tree of maxNodes is more than the largest settings
// need, and is read in well under a second.
const (
	// MaxBytes bounds the length of a text.
	MaxBytes   = 1 << 20
	maxTokens  = 300_000
	maxNodes   = 100_000
	maxKeys    = 1000 // in one mapping
	maxDepth   = 16   // of brackets, and of dashes in one line
	maxIndent  = 200  // columns
	mostShown  = 100  // problems
	byteOrder  = "\ufeff"
	noTextHint = "it is not UTF-8 text: save it in this encoding"
)

// Parse reads a text of at most MaxBytes. A text with nothing in it is Null.
// Where there are problems, the tree holds what could be read, or is nil; the
// problems are in the order of their places.
func Parse(text []byte) (root *Node, problems []Problem) {
	b := &builder{anchors: make(map[string]*Node)}
	defer func() {
		if recover() != nil { // the library's: whatever the text is, it is a problem of the text
			root, b.problems = nil, []Problem{{Place{1, 1}, unreadable}}
		}
		slices.SortStableFunc(b.problems, func(x, y Problem) int {
			return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column))
		})
		problems = b.problems[:min(len(b.problems), mostShown)]
	}()
	if len(text) > MaxBytes {
		b.bad(Place{1, 1}, "it is larger than 1 MiB")
		return nil, nil
	}
	if at := notText(text); at >= 0 {
		b.bad(placeOf(text, at), noTextHint)
		return nil, nil
	}
	if n := bytes.Count(text, []byte("\n")) + len(bytes.FieldsFunc(text, isSign)); n > maxTokens {
		b.bad(Place{1, 1}, "there is more in it than any settings have")
		return nil, nil
	}
	// The library does not take a carriage return alone for the end of a line.
	plain := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimPrefix(string(text), byteOrder))
	return b.parse(plain), nil
}

// isSign reports whether a sign may separate two tokens; the library takes a
// hundred bytes and more for each.
func isSign(r rune) bool { return strings.ContainsRune(",:[]{}-&*!?|>'\"#%", r) }

func (b *builder) parse(text string) *Node {
	tokens := lexer.Tokenize(text)
	if place, sentence := excess(tokens); sentence != "" {
		b.bad(place, "%s", sentence)
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		b.syntax(text, err)
		return nil
	}
	b.lines = strings.Split(text, "\n")
	root := &Node{Place: Place{1, 1}}
	found := false
	for _, doc := range file.Docs {
		switch {
		case doc == nil || doc.Body == nil || doc.Body.Type() == ast.DirectiveType: // %YAML 1.2
		case found:
			b.bad(placeOfToken(doc.Body.GetToken()), "a second document begins here: one is allowed, without --- between its parts")
			return nil
		default:
			found = true
			root = b.node(doc.Body)
		}
	}
	return root
}

// syntax adds the library's error: its place, and a sentence of ours.
func (b *builder) syntax(text string, err error) {
	var syntax yaml.Error
	if !errors.As(err, &syntax) || syntax.GetToken() == nil {
		b.bad(Place{1, 1}, unreadable)
		return
	}
	place := placeOfToken(syntax.GetToken())
	b.bad(place, "%s", sentence(text, place, syntax.GetMessage()))
}

// notText returns where a text is none: at a broken sequence or a zero, which
// other encodings have; -1: nowhere.
func notText(text []byte) int {
	for at := 0; at < len(text); {
		r, n := utf8.DecodeRune(text[at:])
		if r == 0 || r == utf8.RuneError && n == 1 {
			return at
		}
		at += n
	}
	return -1
}

// placeOf returns the place of a byte.
func placeOf(text []byte, at int) Place {
	before := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(text[:at]))
	last := strings.LastIndexByte(before, '\n') + 1
	return Place{1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(strings.TrimPrefix(before[last:], byteOrder))}
}
