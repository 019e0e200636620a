package libav

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/roomcast/roomcast/media"
)

// Config is what an Opener works with.
type Config struct {
	// Silence is for how long a source over http may send nothing while it is
	// opened; 0 means 30 s.
	Silence time.Duration
	// Log receives libav's lines about the sources of this Opener whose requests
	// name no log, once SetLogger was called; nil is slog.Default.
	Log *slog.Logger
}

// Opener opens sources with libav. It is safe for concurrent use.
type Opener struct {
	silence time.Duration
	log     *slog.Logger
}

// NewOpener returns an Opener. It takes libav's log away from standard error.
func NewOpener(c Config) *Opener {
	installLog()
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Opener{silence: cmp.Or(c.Silence, defaultSilence), log: c.Log}
}

// Demux opens and probes a source by gate, whose error it returns. ctx bounds the
// Source's whole life: after its end every blocking call returns within 200 ms.
// Errors are *media.Error, or wrap ctx's cause.
func (o *Opener) Demux(ctx context.Context, r media.SourceRequest, gate media.Gate) (media.Source, error) {
	limit := r.ProbeTimeout
	if limit == 0 && strings.HasPrefix(strings.ToLower(r.URL.Reveal()), "http") {
		limit = o.silence
	}
	l := newLife(ctx, limit)
	way, err := gate.Open(l.ctx, r)
	if err != nil {
		defer l.close()
		return nil, l.gateError(err)
	}
	if way.Source != nil {
		return o.ofPackets(r, l, way)
	}
	s := &Source{request: r, delay: media.SoundDelay{By: r.AudioDelay}, life: l, way: way, scope: o.newScope(r)}
	if err := s.obeying(s.open); err != nil {
		return nil, cmp.Or(s.Close(), err)
	}
	if s.isImage() {
		return s.image(ctx)
	}
	return s, nil
}
