package yamltree

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// builder makes nodes of what the library read.
type builder struct {
	anchors  map[string]*Node // nil while the anchor's value is read
	lines    []string
	problems []Problem
}

func (b *builder) bad(place Place, format string, args ...any) {
	b.problems = append(b.problems, Problem{place, fmt.Sprintf(format, args...)})
}

// node returns the tree of a node; it is never nil.
func (b *builder) node(n ast.Node) *Node {
	made := &Node{Place: Place{1, 1}, lines: b.lines}
	if n == nil {
		return made
	}
	made.Place = placeOfToken(n.GetToken())
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.AnchorNode:
		return b.anchor(n)
	case *ast.AliasNode:
		return b.alias(n)
	case *ast.TagNode:
		return b.tagged(n)
	case *ast.MappingNode:
		b.mapping(made, n.Values)
	case *ast.MappingValueNode:
		b.mapping(made, []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		made.Kind = Sequence
		for _, item := range n.Values {
			made.Items = append(made.Items, b.node(item))
		}
	case *ast.LiteralNode:
		made.Kind, made.Quoted, made.Text = Scalar, true, n.Value.Value
	case *ast.StringNode:
		made.Kind, made.Text = Scalar, n.Value
		made.Quoted = n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType
	case ast.ScalarNode: // numbers, true, false, .inf, .nan: as they are written
		made.Kind, made.Text = Scalar, strings.TrimSpace(n.GetToken().Value)
	default:
		b.bad(made.Place, unreadable)
	}
	b.measure(made)
	return made
}

// measure bounds the tree as it is when every alias is written out.
func (b *builder) measure(n *Node) {
	n.size = 1
	for _, item := range n.Items {
		n.size = min(n.size+item.size, maxNodes+1)
	}
	for _, e := range n.Entries {
		n.size = min(n.size+1+e.Value.size, maxNodes+1)
	}
	if n.size > maxNodes {
		b.bad(n.Place, "with its aliases written out there is more in it than any settings have")
		*n = Node{Place: n.Place, size: 1}
	}
}

func (b *builder) anchor(n *ast.AnchorNode) *Node {
	name := scalarText(n.Name)
	b.anchors[name] = nil
	value := b.node(n.Value)
	b.anchors[name] = value
	return value
}

func (b *builder) alias(n *ast.AliasNode) *Node {
	name, place := scalarText(n.Value), placeOfToken(n.GetToken())
	value, known := b.anchors[name]
	switch {
	case known && value != nil:
		return value
	case known:
		b.bad(place, "this alias stands within what it stands for")
	default:
		b.bad(place, "this alias has no anchor before it, &name, that marks what it stands for; a text that begins with * is put into quotes")
	}
	return &Node{Place: place, size: 1}
}

// tagged accepts the tags that say what a value is anyway; !!str makes a text.
func (b *builder) tagged(n *ast.TagNode) *Node {
	value := b.node(n.Value)
	switch tag := n.GetToken().Value; tag {
	case "!!str":
		same := *value
		if same.Quoted = true; same.Kind == Null {
			same.Kind = Scalar
		}
		return &same
	case "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq":
	default:
		b.bad(placeOfToken(n.GetToken()), "tags, texts that begin with !, are not read here: leave it out, or put the value into quotes")
	}
	return value
}

// mapping fills a node. Keys of << give way to those that stand in the mapping
// itself, wherever they stand, and of several << the first one counts.
func (b *builder) mapping(made *Node, values []*ast.MappingValueNode) {
	made.Kind = Mapping
	if len(values) > 0 && values[0].Key != nil {
		made.Place = placeOfToken(values[0].Key.GetToken())
	}
	first := make(map[string]Place)
	var merged []*Node
	for _, v := range values {
		place := placeOfToken(v.Key.GetToken())
		if v.Key.IsMergeKey() {
			merged = append(merged, b.merged(b.node(v.Value), place)...)
			continue
		}
		key := b.node(keyNode(v.Key))
		if key.Kind != Scalar {
			b.bad(place, "this cannot be a key: a text is expected")
			continue
		}
		if before, twice := first[key.Text]; twice {
			b.bad(place, "this key stands here a second time; the first one is at %s", before)
			b.node(v.Value) // for its own problems, and for its anchors
			continue
		}
		first[key.Text] = place
		made.Entries = append(made.Entries, Entry{key.Text, place, b.node(v.Value)})
	}
	for _, m := range merged {
		for _, e := range m.Entries {
			if _, there := first[e.Key]; !there {
				first[e.Key] = e.Place
				made.Entries = append(made.Entries, e)
			}
		}
	}
}

// merged returns the mappings that << names.
func (b *builder) merged(value *Node, place Place) []*Node {
	switch value.Kind {
	case Mapping:
		return []*Node{value}
	case Sequence:
		var all []*Node
		for _, item := range value.Items {
			if item.Kind == Mapping {
				all = append(all, item)
				continue
			}
			b.bad(place, "<< takes mappings: an alias of one, or a list of such aliases")
		}
		return all
	case Null: // what is wrong with it has been said
	default:
		b.bad(place, "<< takes mappings: an alias of one, or a list of such aliases")
	}
	return nil
}

// keyNode is what stands behind a "?", or the key itself.
func keyNode(key ast.MapKeyNode) ast.Node {
	if explicit, ok := key.(*ast.MappingKeyNode); ok {
		return explicit.Value
	}
	return key
}

func scalarText(n ast.Node) string {
	if n == nil || n.GetToken() == nil {
		return ""
	}
	return n.GetToken().Value
}
