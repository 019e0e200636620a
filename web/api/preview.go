package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// preview answers with a picture of what a push's room gets.
func (s *server) preview(c *gin.Context) error {
	id, err := pushID(c)
	if err != nil {
		return err
	}
	ctx, cancel := reading(c)
	defer cancel()
	p, err := s.previews.Preview(ctx, id)
	if err != nil {
		return err
	}
	c.Header("Last-Modified", p.At.UTC().Format(http.TimeFormat))
	c.Data(http.StatusOK, "image/jpeg", p.JPEG)
	return nil
}
