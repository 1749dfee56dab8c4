package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// hide keeps what the settings file holds out of a sentence. A quote that is
// not closed, or a slip of the hand, puts a password into the value of any
// setting; who reads the sentence can read the file.
func (v *variables) hide(sentence string) string {
	for _, name := range v.ofFile {
		value := v.values[name]
		sentence = strings.ReplaceAll(sentence, name+"="+value, name+"=…")
		parts := append(strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(", \t\r\n=", r) }), value, strings.TrimSpace(value))
		parts = append(parts, strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(",\r\n", r) })...)
		slices.SortFunc(parts, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
		for _, part := range slices.Compact(parts) {
			if part != "" {
				sentence = strings.ReplaceAll(sentence, strconv.Quote(part), "…")
				sentence = strings.ReplaceAll(sentence, strconv.Quote(strings.TrimSpace(part)), "…")
			}
		}
	}
	return sentence
}
