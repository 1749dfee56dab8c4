package yamltree

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Inside returns the place of one character of a Scalar's Text, which is counted
// from 0 on; the length of Text is the place behind its end. ok is false where it
// cannot be told, and then the place is that of the Scalar.
func (n *Node) Inside(character int) (place Place, ok bool) {
	text := []rune(n.Text)
	if n.Kind != Scalar || character < 0 || character > len(text) || n.Line > len(n.lines) {
		return n.Place, false
	}
	w := walk{lines: n.lines, at: n.Place}
	switch first, _ := w.sign(); {
	case n.Quoted && (first == '"' || first == '\''):
		w.quote = first
		w.at.Column++
	case n.Quoted && (first == '|' || first == '>'):
		w.at = Place{w.at.Line + 1, 1}
		w.space()
		lead := 0
		for lead < character && unicode.IsSpace(text[lead]) { // blank lines, and an indentation that is part of it
			lead++
		}
		text, character = text[lead:], character-lead
	}
	if !w.follow(text, character) {
		return n.Place, false
	}
	return w.at, true
}

// walk goes through what is written of a Scalar, beside its Text.
type walk struct {
	lines []string
	at    Place
	quote rune // of a Scalar in quotes
	row   []rune
	rowOf int // the line that row is
}

// sign returns the character at the place, and what follows it on its line; 0 at
// the end of the line.
func (w *walk) sign() (sign rune, rest []rune) {
	if w.at.Line > len(w.lines) {
		return 0, nil
	}
	if w.rowOf != w.at.Line {
		w.row, w.rowOf = []rune(w.lines[w.at.Line-1]), w.at.Line
	}
	if w.at.Column > len(w.row) {
		return 0, nil
	}
	return w.row[w.at.Column-1], w.row[w.at.Column:]
}

// space goes to the next character that is no white space.
func (w *walk) space() {
	for w.at.Line <= len(w.lines) {
		switch sign, _ := w.sign(); {
		case sign == 0:
			w.at = Place{w.at.Line + 1, 1}
		case !unicode.IsSpace(sign):
			return
		default:
			w.at.Column++
		}
	}
}

// follow goes to a character of the text. Line ends, with the white space around
// them, are folded in most Scalars: there any white space is as good as any other.
func (w *walk) follow(text []rune, character int) bool {
	for i := 0; i < character; i++ {
		sign, rest := w.sign()
		switch {
		case sign == 0 || unicode.IsSpace(text[i]) && unicode.IsSpace(sign) && !slices.ContainsFunc(rest, isInk):
			if !unicode.IsSpace(text[i]) {
				return false
			}
			for i < len(text) && unicode.IsSpace(text[i]) {
				i++
			}
			if i <= character && i < len(text) {
				w.space()
			}
			i--
			continue
		case w.quote == '"' && sign == '\\':
			meant, length := escaped(rest)
			if meant != text[i] || length == 0 {
				return false
			}
			w.at.Column += length
		case sign != text[i]:
			return false
		case w.quote == '\'' && sign == '\'': // written twice
			w.at.Column++
		}
		w.at.Column++
	}
	return true
}

func isInk(sign rune) bool { return !unicode.IsSpace(sign) }

// escaped returns what is meant by the text behind a backslash, and its length; 0:
// none of those that stand for one character.
func escaped(rest []rune) (meant rune, length int) {
	if len(rest) == 0 {
		return 0, 0
	}
	if i := strings.IndexRune(`ntr"\/ 0ab`, rest[0]); i >= 0 {
		return []rune("\n\t\r\"\\/ \x00\a\b")[i], 1
	}
	digits := map[rune]int{'x': 2, 'u': 4, 'U': 8}[rest[0]]
	if digits == 0 || len(rest) <= digits {
		return 0, 0
	}
	code, err := strconv.ParseUint(string(rest[1:1+digits]), 16, 31)
	if err != nil {
		return 0, 0
	}
	return rune(code), 1 + digits
}
