package host

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	// previewTime bounds a preview: the largest picture that is decoded takes a tenth
	// of it.
	previewTime = 5 * time.Second
	// mostPicture is how large one may be: Redis keeps it.
	mostPicture = 1 << 20
	// idleTime is after how long without previews their host ends.
	idleTime = time.Minute
)

// previews have a host of their own while somebody looks.
type previews struct {
	mu   sync.Mutex
	host *host // it counts a session more for as long as it stands here
	idle *time.Timer
}

// connectPreview opens a session in the previews' host.
func (p *Pool) connectPreview(ctx context.Context) (*host, *conn, error) {
	v := &p.preview
	v.mu.Lock()
	defer v.mu.Unlock()
	if c := v.host.rejoin(nil); c != nil {
		v.idle.Reset(idleTime)
		return v.host, c, nil
	}
	v.drop()
	h, c, err := p.session(ctx, need{encodes: true})
	if err == nil && h.join(nil) {
		v.host, v.idle = h, time.AfterFunc(idleTime, v.end)
	}
	return h, c, err
}

// end lets the previews' host end when nothing is made in it.
func (v *previews) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.drop()
}

// drop does so; mu is held.
func (v *previews) drop() {
	if v.host != nil {
		v.idle.Stop()
		v.host.leave(nil)
		v.host = nil
	}
}

// Picture returns k as a JPEG, as media/libav.Previews does; one that ends its host is
// an *Error of KindSourcePoisoned.
func (p *Pool) Picture(k media.Keyframe) ([]byte, error) {
	jpeg, h, err := p.makePicture(k)
	if errors.Is(err, errDied) && !errors.Is(err, os.ErrDeadlineExceeded) && h.diedByOthers() {
		jpeg, h, err = p.makePicture(k)
	}
	if errors.Is(err, errDied) || errors.Is(err, errFrame) {
		h.kill("did not make a preview")
	}
	if _, typed := errors.AsType[*media.Error](err); err != nil && !typed {
		return nil, &media.Error{Kind: media.KindSourcePoisoned, Op: opPreview, Err: err}
	}
	return jpeg, err
}

// diedByOthers waits for the end of a host whose session has ended.
func (h *host) diedByOthers() bool {
	h.awaitEnd()
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	return h.byOthers()
}

const opPreview = "make preview"

// makePicture tries it once, in h.
func (p *Pool) makePicture(k media.Keyframe) (jpeg []byte, h *host, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), previewTime)
	defer cancel()
	h, c, err := p.connectPreview(ctx)
	if err != nil {
		return nil, nil, internal(opPreview, err)
	}
	defer func() { go h.finish(c, nil, false) }()
	_ = c.SetDeadline(time.Now().Add(previewTime))
	jpeg, err = picture(c, k, logbook{log: p.cfg.Log})
	if len(jpeg) > mostPicture {
		return nil, h, errFrame
	}
	return jpeg, h, err
}

func picture(c *conn, k media.Keyframe, log logbook) ([]byte, error) {
	if _, err := c.open(opening{Picture: &pictureOpening{Config: k.Config}}, &log, k.Data); err != nil {
		return nil, err
	}
	return c.await(kindBytes, &log)
}
