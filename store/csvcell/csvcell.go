// Package csvcell writes cells of CSV (RFC 4180) that spreadsheets read as they are
// meant. When a cell needs quotes is up to its caller.
package csvcell

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Formula reports whether a spreadsheet would take a text for a formula. It is of
// somebody else, so it is to get an apostrophe before it.
func Formula(text []byte) bool {
	first, _ := utf8.DecodeRune(text)
	return len(text) > 0 && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first)
}

// AppendQuoted appends a text in quotes; those in it are doubled.
func AppendQuoted(b, text []byte) []byte {
	b = append(b, '"')
	for {
		at := bytes.IndexByte(text, '"')
		if at < 0 {
			return append(append(b, text...), '"')
		}
		b = append(append(b, text[:at+1]...), '"')
		text = text[at+1:]
	}
}
