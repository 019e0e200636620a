package libav

import (
	"cmp"
	"context"
	"log/slog"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
)

// Config is what an Opener works with.
type Config struct {
	// Log receives libav's lines about the sources of this Opener whose requests
	// name no log, once SetLogger was called; nil is slog.Default.
	Log *slog.Logger
}

// Opener opens sources with libav. It is safe for concurrent use.
type Opener struct{ log *slog.Logger }

// NewOpener returns an Opener. It takes libav's log away from standard error.
func NewOpener(c Config) *Opener {
	installLog()
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Opener{log: c.Log}
}

// Demux opens and probes a source by gate, whose error it returns. ctx bounds the
// Source's whole life: after its end every blocking call returns as soon as libav
// obeys. Errors are *media.Error, or wrap ctx's cause.
func (o *Opener) Demux(ctx context.Context, r media.SourceRequest, gate media.Gate) (media.Source, error) {
	l := newLife(ctx)
	way, err := gate.Open(l.ctx, r) // a seek that stalls ends what is read
	if err != nil {
		l.close()
		return nil, err
	}
	c := &container{way: way, life: l, scope: o.newScope(r)}
	s := &Source{
		container: c,
		demuxer:   &demuxer{container: c, choice: choice{container: c, asked: r.Choice, bounds: r.Bounds}, came: r.Came},
		delay:     clock.SoundDelay{By: r.AudioDelay},
	}
	if err := s.alone(s.open); err != nil {
		return nil, cmp.Or(s.Close(), err)
	}
	if c.isImage() {
		return s.image(ctx)
	}
	return s, nil
}
