package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// previewMissing is the header that says why there is no preview.
const previewMissing = "Preview-Missing"

// preview answers with a picture of what a push's room gets. That there is none is
// no error: a browser would show one at each try.
func (s *server) preview(c *gin.Context) error {
	id, err := pushID(c)
	if err != nil {
		return err
	}
	ctx, cancel := reading(c)
	defer cancel()
	p, err := s.Previews.Preview(ctx, id)
	if err != nil {
		return err
	}
	if p.Missing != "" {
		c.Header(previewMissing, string(p.Missing))
		c.Status(http.StatusNoContent)
		return nil
	}
	c.Header("Last-Modified", p.At.UTC().Format(http.TimeFormat))
	c.Data(http.StatusOK, "image/jpeg", p.JPEG)
	return nil
}
