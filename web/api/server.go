package api

import (
	"net/http"
	"time"
)

// NewServer returns a server for h whose time limits let no client hold a
// connection for nothing. A handler that streams lifts its own write limit
// with http.ResponseController.
func NewServer(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr:              addr,
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}
