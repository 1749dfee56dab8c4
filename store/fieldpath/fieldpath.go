// Package fieldpath names the fields of JSON objects: a path is the names on the way
// to a field, joined with dots. Within a name a dot and a backslash have a backslash
// before them. It knows nothing of what the fields hold.
package fieldpath

import "strings"

// Append appends the name of a member to the path of its object, which is empty
// for a value itself, and returns the path.
func Append(path, name []byte) []byte {
	if len(path) > 0 {
		path = append(path, '.')
	}
	for _, c := range name {
		if c == '.' || c == '\\' {
			path = append(path, '\\')
		}
		path = append(path, c)
	}
	return path
}

// Split returns the names that a path is made of. A backslash at its very end stands
// for itself.
func Split(path string) (names []string) {
	var name strings.Builder
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '.':
			names = append(names, name.String())
			name.Reset()
		case c == '\\' && i+1 < len(path):
			i++
			name.WriteByte(path[i])
		default:
			name.WriteByte(c)
		}
	}
	return append(names, name.String())
}

// Matches reports whether a path fits a pattern, in which * stands for any
// characters, dots as well. It takes no more than the product of their lengths.
func Matches(pattern, path string) bool {
	star, mark := -1, 0
	p, i := 0, 0
	for i < len(path) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && pattern[p] == path[i]:
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
