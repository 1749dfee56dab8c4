package config

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/devops-insights/devops-insights/app/config/yamltree"
)

// given is what every value of the file has: where it stands, whether its key is
// there, and whether it can be used.
type given struct {
	there, set bool
	place      yamltree.Place
}

// scalar notes that a value is there, and its place, and returns its text; ok is false where it is
// none.
func (g *given) scalar(y *yamlFile, n *yamltree.Node) (text string, ok bool) {
	g.place, g.there = n.Place, true
	return y.scalar(n)
}

// textPart is a text.
type textPart struct {
	given
	value string // without white space around it
	whole string // with it
	node  *yamltree.Node
}

func (t *textPart) read(y *yamlFile, n *yamltree.Node) {
	t.place, t.there, t.node = n.Place, true, n
	t.whole, t.set = y.scalar(n)
	t.value = strings.TrimSpace(t.whole)
}

// inside returns the place of a line and a column of the value. ok is false, and the
// place is the begin of the text, where it cannot be told: the text comes out of
// another file, or has ${…} before it, or is written in a way that hides it.
func (t *textPart) inside(line, column int) (place yamltree.Place, ok bool) {
	if t.node == nil {
		return t.place, false
	}
	lines := strings.SplitAfter(t.value, "\n")
	if line > len(lines) {
		return t.place, false
	}
	at := utf8.RuneCountInString(t.whole[:strings.Index(t.whole, t.value)])
	for _, before := range lines[:line-1] {
		at += utf8.RuneCountInString(before)
	}
	at += min(column-1, utf8.RuneCountInString(strings.TrimSuffix(lines[line-1], "\n")))
	whole, written := []rune(t.whole), []rune(t.node.Text)
	if at > len(written) || !slices.Equal(whole[:at], written[:at]) {
		return t.place, false
	}
	return t.node.Inside(at)
}

// secretPart is a text that may stand in a file of its own: file:PATH.
type secretPart struct{ textPart }

func (s *secretPart) read(y *yamlFile, n *yamltree.Node) {
	s.textPart.read(y, n)
	path, isFile := filePath(s.value)
	if !s.set || !isFile {
		return
	}
	text, err := y.v.readSecret(y.resolve(path))
	switch {
	case err != nil:
		y.bad(n.Place, "the file that file: names cannot be read: %s", reason(err))
	case text == "":
		y.bad(n.Place, "the file that file: names is empty")
	}
	s.value, s.set, s.node = strings.TrimSpace(text), err == nil, nil
}

// filePath returns the path behind file:, or file://.
func filePath(text string) (path string, ok bool) {
	path, ok = strings.CutPrefix(text, "file:")
	return strings.TrimPrefix(path, "//"), ok
}

// filePart is the path of a file that the file names.
type filePart struct {
	textPart
	content string
}

func (f *filePart) read(y *yamlFile, n *yamltree.Node) {
	f.textPart.read(y, n)
	if !f.set {
		return
	}
	f.value = y.resolve(f.value)
	var err error
	if f.content, err = y.v.readText(f.value); err != nil {
		y.bad(n.Place, "this file cannot be read: %s", reason(err))
		f.set = false
	}
}

// durationPart is a duration with its unit.
type durationPart struct {
	given
	value time.Duration
}

func (d *durationPart) read(y *yamlFile, n *yamltree.Node) {
	text, ok := d.scalar(y, n)
	if !ok {
		return
	}
	if sentence := unitless(text); sentence != "" {
		y.bad(n.Place, "%s", sentence)
		return
	}
	value, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil || value < 0 {
		y.bad(n.Place, "a duration is expected, such as 500ms, 30s, 5m or 1h")
		return
	}
	d.value, d.set = value, true
}

// unitless is the sentence about a number where a duration is expected.
func unitless(text string) string {
	if n, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil && n != 0 {
		return "this number has no unit: write it with ms, s, m or h, for example 30s"
	}
	return ""
}

// countPart is a whole number.
type countPart struct {
	given
	value int
}

func (c *countPart) read(y *yamlFile, n *yamltree.Node) {
	text, ok := c.scalar(y, n)
	if !ok {
		return
	}
	value, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		y.bad(n.Place, "a whole number is expected")
		return
	}
	c.value, c.set = value, true
}

// boolPart is true or false.
type boolPart struct {
	given
	value bool
}

func (b *boolPart) read(y *yamlFile, n *yamltree.Node) {
	text, ok := b.scalar(y, n)
	if !ok {
		return
	}
	switch strings.TrimSpace(text) {
	case "true":
		b.value, b.set = true, true
	case "false":
		b.set = true
	default:
		y.bad(n.Place, "true or false is expected")
	}
}

// several is a list of parts; nil where there is none.
type several[T any] []T

func (s *several[T]) read(y *yamlFile, n *yamltree.Node) {
	switch n.Kind {
	case yamltree.Null:
		return // its items are comments
	case yamltree.Sequence:
	default:
		y.bad(n.Place, "a list is expected here: [a, b], or one item a line with a - before it")
		return
	}
	y.lists[s] = n.Place
	*s = make([]T, len(n.Items))
	for i, item := range n.Items {
		any(&(*s)[i]).(part).read(y, item)
	}
}

// texts returns the texts of a list, and whether it is there.
func texts(s several[textPart]) (all []string, set bool) {
	for _, t := range s {
		if t.set && t.value != "" {
			all = append(all, t.value)
		}
	}
	return all, s != nil
}

// statusPart is an HTTP status, or a range of them.
type statusPart struct {
	given
	value StatusRange
}

func (s *statusPart) read(y *yamlFile, n *yamltree.Node) {
	text, ok := s.scalar(y, n)
	if !ok {
		return
	}
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	from, err := strconv.Atoi(strings.TrimSpace(first))
	to, errTo := strconv.Atoi(strings.TrimSpace(last))
	if err != nil || errTo != nil || from < 100 || to > 599 || from > to {
		y.bad(n.Place, "a status from 100 to 599 is expected, or a range of them such as 200-299")
		return
	}
	s.value, s.set = StatusRange{from, to}, true
}
