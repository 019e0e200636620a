package api

import (
	_ "embed"
	"net/http"

	"github.com/gin-gonic/gin"
)

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI returns the description of this API, in YAML, written by hand. Tests
// hold the API against it; the client's types and docs/api.md are made from it.
func OpenAPI() []byte { return openAPI }

func describe(c *gin.Context) {
	c.Data(http.StatusOK, "application/yaml", openAPI)
}
