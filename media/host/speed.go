package host

import (
	"context"
	"errors"
	"time"

	"github.com/roomcast/roomcast/media"
)

// Speeds measures how many pixels a core encodes in a second: media/libav.Speeds.
type Speeds interface {
	Speed() (int64, error)
}

// speedTime is how long the encoder is measured at most, its host's start included.
const speedTime = 10 * time.Second

const opSpeed = "measure the encoder"

func (s *session) serveSpeed(m Speeds) error {
	speed, err := m.Speed()
	return s.sendJSON(kindOpen, made{Fault: faultOf(err), Speed: speed})
}

// Speed measures, in a host, how many pixels a core of this machine encodes in a
// second. It takes a fraction of a second, at most speedTime.
func (p *Pool) Speed(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, speedTime)
	defer cancel()
	h, c, err := p.session(ctx, need{encodes: true})
	if err != nil {
		return 0, internal(opSpeed, err)
	}
	defer func() { go h.finish(c, nil, false) }()
	if ctx.Err() != nil {
		return 0, internal(opSpeed, context.Cause(ctx))
	}
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })()
	made, err := c.open(opening{Speed: true}, &logbook{log: p.cfg.Log})
	switch _, told := errors.AsType[*media.Error](err); {
	case told:
		return 0, err
	case err != nil:
		return 0, internal(opSpeed, err)
	case made.Speed <= 0:
		return 0, internal(opSpeed, errors.New("it measured nothing"))
	}
	return made.Speed, nil
}
