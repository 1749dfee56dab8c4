package api

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// fingerprint makes the entity tag of an answer out of what it is made of. The tag
// is weak: the same answer may be compressed or not.
type fingerprint struct{ hash hash.Hash }

func newFingerprint(parts ...string) fingerprint {
	f := fingerprint{sha256.New()}
	f.add(parts...)
	return f
}

func (f fingerprint) add(parts ...string) {
	var space [256]byte
	b := space[:0]
	for _, part := range parts {
		b = append(append(b, part...), 0)
	}
	_, _ = f.hash.Write(b)
}

func (f fingerprint) tag() string {
	return `W/"` + hex.EncodeToString(f.hash.Sum(nil)[:12]) + `"`
}

// unchanged sets the entity tag and reports whether the client has the answer
// already, which it is then told.
func unchanged(c *gin.Context, tag string) bool {
	c.Header("ETag", tag)
	if !matches(c.Request.Header.Values("If-None-Match"), tag) {
		return false
	}
	c.Status(http.StatusNotModified)
	c.Writer.WriteHeaderNow()
	return true
}

// matches compares as RFC 9110 has it for If-None-Match: weakly.
func matches(headers []string, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for _, header := range headers {
		for _, one := range strings.Split(header, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}
