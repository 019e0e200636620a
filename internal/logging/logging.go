// Package logging makes the one logger of a process. It redacts nothing
// itself: what must not be shown is a media.Secret, which prints as
// [redacted] through every handler.
package logging

import (
	"io"
	"log/slog"
)

// The formats a log may have.
const (
	Text = "text"
	JSON = "json"
)

// New returns a logger that writes to w; any format but JSON is Text.
func New(w io.Writer, level slog.Level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == JSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
