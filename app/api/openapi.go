package api

import (
	_ "embed" // for the document
	"time"

	"github.com/gin-gonic/gin"
)

//go:embed openapi.json
var document []byte

// openapi answers with the document that describes everything.
func (a *API) openapi(c *gin.Context) error {
	return a.sendBody(c, typeJSON, document, time.Hour)
}
