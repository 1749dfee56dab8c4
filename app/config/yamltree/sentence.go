package yamltree

import (
	"strings"

	"github.com/goccy/go-yaml/token"
)

const unreadable = "this cannot be read as YAML: look for a quote, a bracket, a colon or an indentation that is not right, here or on the line before"

// sentences say what the library's messages mean for the person who wrote the
// text; the first whose part is in the message counts. The messages themselves
// are not shown: some repeat what the text holds.
var sentences = [...]struct{ part, sentence string }{
	{"could not find end character of double-quoted", "the double quote that begins here is not closed"},
	{"could not find end character of single-quoted", "the single quote that begins here is not closed"},
	{"could not find end character", "the quote that begins here is not closed"},
	{"'\\t'", tabs},
	{"\t", tabs},
	{"tab character", tabs},
	{"reserved character", "a value cannot begin with this sign: put it into quotes"},
	{"end token '}' not found", "the brace { that begins here is not closed"},
	{"mapping end token", "the brace { that begins here is not closed"},
	{"sequence end token", "the bracket [ that begins here is not closed"},
	{"',' or '}'", "a comma or a closing } is missing before this"},
	{"',' or ']'", "a comma or a closing ] is missing before this"},
	{"found ','", "there is nothing before this comma"},
	{"corresponding to", "this bracket closes nothing"},
	{"undefined anchor", "the anchor & has no name or no value"},
	{"anchor value", "the anchor & has no value"},
	{"alias", "the alias * has no name"},
	{"value is not allowed in this context", "this does not belong here: its indentation is not that of the lines before, or a colon with a space behind it is missing"},
	{"unexpected key name", "this line is no key: a colon with a space behind it is expected, as in name: value"},
	{"non-map value", "this line is no key: a colon with a space behind it is expected, as in name: value"},
	{"block sequence entries are not allowed", "a list cannot begin on the line of its key: put it on the next line"},
	{"mapping value is not allowed", "a second colon on this line: put the value into quotes"},
	{"implicit line break", "a key ends on the line on which it begins"},
	{"document separator", "a document ends here: one is allowed, without --- or ... between its parts"},
	{"end content", "a document ends here: one is allowed, without --- or ... between its parts"},
	{"unexpected map", "this key does not belong here: look at its indentation"},
	{"invalid key", "this cannot be a key: a text is expected"},
	{"escape", "an escape that is unknown: within double quotes a backslash is written \\\\"},
	{"directive", "directives, lines that begin with %, are not read here: leave it out"},
	{"YAML version", "directives, lines that begin with %, are not read here: leave it out"},
	{"tag", "tags, texts that begin with !, are not read here: leave it out"},
	{"merge key", "<< is followed by an alias: <<: *name"},
}

const tabs = "a tab stands here: YAML allows only spaces before keys and values"

// sentence returns what is said about a place at which the library failed.
func sentence(text string, place Place, message string) string {
	if line := lineOf(text, place.Line); strings.HasPrefix(strings.TrimLeft(line, " "), "\t") {
		return tabs
	}
	for _, s := range sentences {
		if strings.Contains(message, s.part) {
			return s.sentence
		}
	}
	return unreadable
}

// lineOf returns a line of the text by its number.
func lineOf(text string, number int) string {
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		if n++; n == number {
			return line
		}
	}
	return ""
}

// excess says which bound of the package a text exceeds. It keeps the library,
// which calls itself for each level, and goes through all keys for each key,
// from what would take it long.
func excess(tokens token.Tokens) (Place, string) {
	brackets, row, line := 0, 0, 0
	keys := make(map[int]int) // by the column, in the mapping that is open there
	for _, t := range tokens {
		place := placeOfToken(t)
		if place.Line != line {
			line, row = place.Line, 0
			closeMappings(keys, place.Column)
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			brackets++
		case token.MappingEndType, token.SequenceEndType:
			brackets--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			row++
			closeMappings(keys, place.Column)
		case token.MappingValueType:
			if row++; t.Prev != nil && brackets == 0 {
				keys[placeOfToken(t.Prev).Column]++
			}
			if t.Prev != nil && brackets == 0 && keys[placeOfToken(t.Prev).Column] > maxKeys {
				return place, "there are more than 1000 keys in one mapping: that is more than any settings have"
			}
		}
		if brackets > maxDepth || brackets == 0 && row > maxDepth || place.Column > maxIndent && row == 0 && brackets == 0 && isIndented(t) {
			return place, "the nesting is deeper than any settings need"
		}
	}
	if len(tokens) > maxTokens {
		return placeOfToken(tokens[maxTokens]), "there is more in it than any settings have"
	}
	return Place{}, ""
}

// closeMappings forgets the mappings that are further to the right.
func closeMappings(keys map[int]int, column int) {
	for c := range keys {
		if c > column {
			delete(keys, c)
		}
	}
}

// isIndented reports whether the token is the first of its line.
func isIndented(t *token.Token) bool {
	return t.Type != token.CommentType && (t.Prev == nil || t.Prev.Position.Line < t.Position.Line)
}

func placeOfToken(t *token.Token) Place {
	if t == nil || t.Position == nil {
		return Place{1, 1}
	}
	return Place{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}
