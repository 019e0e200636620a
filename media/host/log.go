package host

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

// line is a line for the worker's log.
type line struct {
	Level slog.Level
	Text  string
	Attrs map[string]string
}

// lines writes a session's log lines to the worker.
type lines struct {
	conn  *conn
	level slog.Level
	attrs []slog.Attr
}

func (l *lines) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level }
func (l *lines) WithGroup(string) slog.Handler                    { return l }

func (l *lines) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &lines{l.conn, l.level, append(l.attrs[:len(l.attrs):len(l.attrs)], attrs...)}
}

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	said := line{Level: r.Level, Text: r.Message, Attrs: map[string]string{}}
	note := func(a slog.Attr) bool {
		said.Attrs[a.Key] = a.Value.Resolve().String()
		return true
	}
	for _, a := range l.attrs {
		note(a)
	}
	r.Attrs(note)
	return l.conn.sendJSON(kindLog, said)
}

// What of a host's lines gets into the log: it may be anybody's.
const (
	mostLines  = 40 // a second, of a session
	mostAttrs  = 8
	mostLetter = 500 // of a text
)

// attrsOf are those that a host's line may have: others would be taken for ours.
var attrsOf = []string{"item", "text", "left_out", "error"}

// logbook writes what a host says of a session to a log.
type logbook struct {
	log   *slog.Logger
	since time.Time
	lines int
}

func (b *logbook) write(payload []byte) error {
	if now := time.Now(); now.Sub(b.since) > time.Second {
		b.since, b.lines = now, 0
	}
	if b.lines++; b.lines > mostLines {
		return nil
	}
	var said line
	if err := decode(payload, &said); err != nil {
		return err
	}
	if len(said.Attrs) > mostAttrs {
		return nil
	}
	attrs := make([]slog.Attr, 0, len(said.Attrs))
	for _, key := range attrsOf {
		if value, ok := said.Attrs[key]; ok {
			attrs = append(attrs, slog.String(key, short(value)))
		}
	}
	b.log.LogAttrs(context.Background(), said.Level, short(said.Text), attrs...) //nolint:sloglint // it is the host's message
	return nil
}

func short(text string) string { return strings.ToValidUTF8(text[:min(len(text), mostLetter)], "") }

// levelOf is the least level of which log wants lines.
func levelOf(log *slog.Logger) slog.Level {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn} {
		if log.Enabled(context.Background(), level) {
			return level
		}
	}
	return slog.LevelError
}
