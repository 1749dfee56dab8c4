package rollup

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"github.com/devops-insights/devops-insights/store/fieldpath"
)

// FieldOptions says which fields of the values are rolled up. A field is named by
// its path, the names of the members joined with dots; a dot or a backslash in a
// name has a backslash before it, and an element of an array has its index.
type FieldOptions struct {
	// State is the path of the field that tells a region's state, whose text is
	// kept. Empty: status.
	State string
	// Max bounds the number of fields, in the order in which they are found. Zero:
	// 100.
	Max int
	// Include are the patterns of the fields that are kept, in which * stands for
	// any characters. Empty, or * alone: every number that is a member of objects.
	// Elements of arrays are kept only where a pattern names more than *.
	Include []string
	// Exclude are the patterns of fields that are not kept.
	Exclude []string
}

func (o FieldOptions) withDefaults() FieldOptions {
	o.State = cmp.Or(o.State, "status")
	o.Max = cmp.Or(o.Max, 100)
	return o
}

const (
	// maxPath bounds the length of a path: a field with a longer one is left out.
	maxPath = 400
	// maxDepth bounds how deep fields are looked for.
	maxDepth = 32
	// keptParser bounds the size of a value after which the memory of the parser,
	// a multiple of it, is used again.
	keptParser = 256 << 10
)

// The kinds of a value; absent is the zero value.
const (
	absent = iota
	numeric
	textual
)

// value is that of one field in one row.
type value struct {
	kind   uint8
	number float64
	text   string
}

// wanted says in which places a field is kept.
type wanted struct{ member, element bool }

// extractor finds the fields of values. The fields keep the places that they get.
type extractor struct {
	opts     FieldOptions
	elements bool     // a pattern may mean elements of arrays
	paths    []string // those of the mark first
	wanted   []wanted
	kept     int
	single   string // the one field that is wanted, wherever it is; empty: see opts
	places   map[string]int
	full     bool // a field was left out for the bound

	parser fastjson.Parser
	path   []byte
	digits []byte
	values []value
}

// newExtractor knows the fields that were found before, in their order.
func newExtractor(o FieldOptions, paths []string) *extractor {
	x := &extractor{opts: o.withDefaults(), places: make(map[string]int)}
	x.elements = slices.ContainsFunc(o.Include, func(pattern string) bool { return pattern != "*" })
	for _, path := range paths {
		x.add(path)
	}
	return x
}

func (x *extractor) add(path string) int {
	place := len(x.paths)
	w := x.wants(path)
	x.paths, x.wanted, x.places[path] = append(x.paths, path), append(x.wanted, w), place
	if w.member || w.element {
		x.kept++
	}
	return place
}

// only makes it find one field, which may be a number or a text, anywhere.
func (x *extractor) only(path string) {
	x.single, x.elements = path, true
	x.add(path)
}

func (x *extractor) wants(path string) (w wanted) {
	if x.single != "" {
		return wanted{member: path == x.single, element: path == x.single}
	}
	fits := func(pattern string) bool { return fieldpath.Matches(pattern, path) }
	if slices.ContainsFunc(x.opts.Exclude, fits) {
		return wanted{}
	}
	w.element = slices.ContainsFunc(x.opts.Include, func(pattern string) bool { return pattern != "*" && fits(pattern) })
	w.member = w.element || path == x.opts.State || len(x.opts.Include) == 0 || slices.Contains(x.opts.Include, "*")
	return w
}

// read returns the values of the fields of a row by their places, until the next
// call. What is no object has none.
func (x *extractor) read(data []byte) []value {
	for i := range x.values {
		x.values[i].kind = absent
	}
	parser := &x.parser
	if len(data) > keptParser {
		parser = new(fastjson.Parser)
	}
	if v, err := parser.ParseBytes(data); err == nil && v.Type() == fastjson.TypeObject {
		x.path = x.path[:0]
		x.walk(v, 0, false)
	}
	return x.values
}

func (x *extractor) walk(v *fastjson.Value, depth int, element bool) {
	switch v.Type() {
	case fastjson.TypeNumber:
		x.number(v, element)
	case fastjson.TypeString:
		x.text(v, element)
	case fastjson.TypeObject:
		object, _ := v.Object()
		length := len(x.path)
		object.Visit(func(key []byte, member *fastjson.Value) {
			x.path = fieldpath.Append(x.path[:length], key)
			if depth < maxDepth && len(x.path) > 0 && len(x.path) <= maxPath && !bytes.ContainsFunc(key, control) {
				x.walk(member, depth+1, element)
			}
		})
		x.path = x.path[:length]
	case fastjson.TypeArray:
		if !x.elements || depth >= maxDepth {
			return
		}
		list, _ := v.Array()
		length := len(x.path)
		for i, e := range list {
			x.path = strconv.AppendInt(append(x.path[:length], '.'), int64(i), 10)
			x.walk(e, depth+1, true)
		}
		x.path = x.path[:length]
	}
}

// control reports whether a character is none that the name of a field may have:
// stores may use it within their keys.
func control(c rune) bool { return c < ' ' || c == utf8.RuneError }

// place returns where the value of the field is kept, or nil.
func (x *extractor) place(element bool) *value {
	place, ok := x.places[string(x.path)]
	if !ok {
		w := x.wants(string(x.path))
		switch {
		case !w.element && (element || !w.member):
			return nil
		case x.kept >= x.opts.Max:
			x.full = true
			return nil
		}
		place = x.add(string(x.path))
	}
	if w := x.wanted[place]; !w.element && (element || !w.member) {
		return nil
	}
	for len(x.values) <= place {
		x.values = append(x.values, value{})
	}
	return &x.values[place]
}

func (x *extractor) number(v *fastjson.Value, element bool) {
	const exact = 15 // digits that the parser of the library reads without an error
	x.digits = v.MarshalTo(x.digits[:0])
	var number float64
	var err error
	if len(x.digits) <= exact && !bytes.ContainsAny(x.digits, "eE") {
		number, err = v.Float64()
	} else {
		number, err = strconv.ParseFloat(string(x.digits), 64)
	}
	if err != nil || math.IsInf(number, 0) || math.IsNaN(number) {
		return
	}
	if at := x.place(element); at != nil {
		at.kind, at.number = numeric, number+0 // a zero has no sign
	}
}

func (x *extractor) text(v *fastjson.Value, element bool) {
	if string(x.path) != x.opts.State {
		return
	}
	text, _ := v.StringBytes()
	if len(text) > maxText {
		text = text[:maxText]
		for len(text) > 0 && !utf8.Valid(text) {
			text = text[:len(text)-1]
		}
	}
	if at := x.place(element); at != nil {
		if at.kind = textual; at.text != string(text) {
			at.text = string(text)
		}
	}
}
