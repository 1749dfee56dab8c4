package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// maxName bounds the part of a file's name that is made from the api.
const maxName = 120

// FileName returns the name of the file for the rows of an api that were taken on
// the day of a time.
func FileName(api string, at time.Time) string {
	return safe(api) + "-" + at.UTC().Format(time.DateOnly) + ".ndjson.gz"
}

// safe makes a name that every file system takes, and that no other api has: what
// is no small letter, digit, dot, underscore or hyphen is written as % and two
// digits, and so is a dot at the beginning. What is too long ends with a hash.
func safe(api string) string {
	var b strings.Builder
	for i := range len(api) {
		c := api[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '-', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	name := b.String()
	if len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(api))
	return name[:maxName-33] + "~" + hex.EncodeToString(sum[:16])
}
