package api

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// sendBody answers with a body that is made already. It may be kept for some time,
// and after that, as long as asking again shows that it is the same.
func (a *API) sendBody(c *gin.Context, contentType string, body []byte, keep time.Duration) error {
	header := c.Writer.Header()
	header.Set("Access-Control-Expose-Headers", "ETag, Retry-After")
	header.Set("Cache-Control", "private, no-cache")
	if keep > 0 {
		header.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(keep.Seconds())))
	}
	if unchanged(c, newFingerprint(contentType, string(body)).tag()) {
		return nil
	}
	if c.Request.Method == http.MethodHead {
		header.Set("Content-Type", contentType)
		c.Status(http.StatusOK)
		c.Writer.WriteHeaderNow()
		return nil
	}
	free, err := a.reserve(c.Request.Context(), len(body))
	if err != nil {
		return err
	}
	defer free()
	header.Set("Content-Type", contentType)
	c.Status(http.StatusOK)
	out := a.newOutput(c.Writer)
	out.buf = body
	if out.flush(0); out.err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}
