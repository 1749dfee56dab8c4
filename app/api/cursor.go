package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"

	"github.com/devops-insights/devops-insights/store/past"
)

// cursorSum is how many bytes of a cursor check the others.
const cursorSum = 8

// cursor returns the text that stands for the rows behind a row. It can be used
// with the API, the region and the order that it was made for.
func cursor(of scope, order, id string) string {
	return base64.RawURLEncoding.EncodeToString(append(checksum(of, order, id), id...))
}

// row returns the id of the row that a cursor is of.
func row(cursor string, of scope, order string) (id string, err error) {
	if cursor == "" {
		return "", nil
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(text) <= cursorSum || !bytes.Equal(text[:cursorSum], checksum(of, order, string(text[cursorSum:]))) {
		return "", badRequest(`The parameter "cursor" is %s: allowed is the one of the answer before, with the same api, source and order`, past.Short(cursor))
	}
	return string(text[cursorSum:]), nil
}

func checksum(of scope, order, id string) []byte {
	sum := sha256.Sum256([]byte(of.api + "\x00" + of.source + "\x00" + order + "\x00" + id))
	return sum[:cursorSum]
}
