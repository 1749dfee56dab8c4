package config

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// parseDotenv reads a settings file as the npm package dotenv (16 and 17) does,
// so that the files of a Node backend keep their meaning: nothing is expanded,
// lines that are no assignment are left out, the last of two equal names counts.
// lines are the numbers of the lines of the assignments, skipped those of the
// lines that were left out.
//
// The libraries for Go expand $ and refuse lines that dotenv leaves out.
func parseDotenv(text string) (values map[string]string, lines map[string]int, skipped []int) {
	text = strings.TrimPrefix(text, "\ufeff")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	values, lines = make(map[string]string), make(map[string]int)
	end, line, counted := 0, 1, 0
	for _, at := range assignment.FindAllStringSubmatchIndex(text, -1) {
		skipped = append(skipped, strayLines(text, end, at[0])...)
		end = at[1]
		name, value := text[at[2]:at[3]], ""
		if at[4] >= 0 {
			value = unquote(strings.TrimFunc(text[at[4]:at[5]], isJSSpace))
		}
		line, counted = line+strings.Count(text[counted:at[2]], "\n"), at[2]
		values[name], lines[name] = value, line
	}
	return values, lines, append(skipped, strayLines(text, end, len(text))...)
}

// space is what \s matches in JavaScript.
const space = `[\s\v\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}]`

// assignment is one NAME=value or "NAME: value" with what surrounds it; the
// value may be quoted in three ways, and may then run over several lines.
var assignment = regexp.MustCompile(strings.ReplaceAll(
	`(?m)^_*(?:export_+)?([\w.-]+)(?:_*=_*?|:_+?)`+
		`(_*'(?:\\'|[^'])*'|_*"(?:\\"|[^"])*"|_*`+"`(?:\\\\`|[^`])*`"+`|[^#\r\n]+)?_*(?:#.*)?$`,
	"_", space))

// unquote takes a pair of quotes away; only double quotes have escapes.
func unquote(value string) string {
	if value == "" {
		return ""
	}
	quote := value[0]
	if !strings.ContainsRune("'\"`", rune(quote)) {
		return value
	}
	if len(value) > 1 && value[len(value)-1] == quote {
		value = value[1 : len(value)-1]
	}
	if quote == '"' {
		value = strings.ReplaceAll(strings.ReplaceAll(value, `\n`, "\n"), `\r`, "\r")
	}
	return value
}

func isJSSpace(r rune) bool {
	return strings.ContainsRune(" \t\n\v\f\r\u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff", r) || r >= 0x2000 && r <= 0x200a
}

// strayLines returns the numbers of the lines between two assignments that are
// neither empty nor a comment.
func strayLines(text string, from, to int) (numbers []int) {
	first := 1 + strings.Count(text[:from], "\n")
	for i, line := range strings.Split(text[from:to], "\n") {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			numbers = append(numbers, first+i)
		}
	}
	return numbers
}

// isText reports whether a settings file can be one: other encodings than
// UTF-8 hold zeros or broken sequences.
func isText(b []byte) bool { return utf8.Valid(b) && !strings.Contains(string(b), "\x00") }
