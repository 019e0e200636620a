package tasks

import (
	"context"
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	// LookTime is for how long somebody who has asked for a preview is taken to
	// look, and for how long one is kept.
	LookTime = 10 * time.Second
	// previewEvery is how often a push that is looked at gets another preview.
	previewEvery = 2 * time.Second
	// previewShare is the part of a core that previews may take, whoever looks at
	// however many pushes: then each gets one less often.
	previewShare = 4
)

// Preview is a small picture of what a push's room got last, or why there is
// none.
type Preview struct {
	JPEG    []byte
	At      time.Time // when it was decoded
	Missing Missing   // empty when there is a JPEG
}

// Missing is why there is no preview of a push.
type Missing string

const (
	// MissingYet: one is made once the room gets a picture, because it was asked for.
	MissingYet Missing = "not_yet"
	// MissingEnded: the push has ended.
	MissingEnded Missing = "ended"
	// MissingVideo: the push has sound alone.
	MissingVideo Missing = "no_video"
)

// PreviewStore takes previews. Its errors are ErrGone and ErrStale, or *Error
// with CodeRedisUnavailable.
type PreviewStore interface {
	// SavePreview keeps p for LookTime if the push is l's.
	SavePreview(ctx context.Context, l Lease, p Preview) error
}

// LookStore gives previews to who looks. Its errors are *Error with
// CodeRedisUnavailable.
type LookStore interface {
	// Look says that somebody looks at push id, for LookTime, and returns its
	// preview, found false when there is none.
	Look(ctx context.Context, id string) (p Preview, found bool, err error)
}

// PictureMaker makes a JPEG of a keyframe. An error of media.KindSourcePoisoned
// says that nothing more of its push is to be tried.
type PictureMaker interface {
	Picture(k media.Keyframe) (jpeg []byte, err error)
}

// Preview returns a preview of what the push's room gets, and has one made every
// other second for as long as somebody asks. That there is none is no error. Errors
// are *Error: CodePreviewOff, CodeNotFound.
func (s *Service) Preview(ctx context.Context, id string) (Preview, error) {
	if s.Previews == nil {
		return Preview{}, &Error{Code: CodePreviewOff, Msg: "this service makes no previews (ROOMCAST_PREVIEW)"}
	}
	push, err := s.Pushes.Get(ctx, id)
	if err != nil {
		return Preview{}, err
	}
	if why := pictureless(push); why != "" {
		return Preview{Missing: why}, nil
	}
	p, found, err := s.Previews.Look(ctx, id)
	if err == nil && !found {
		p.Missing = MissingYet
	}
	return p, err
}

// pictureless is why p's room gets no picture at all, empty when it does, or may.
func pictureless(p Push) Missing {
	switch {
	case p.State.Terminal():
		return MissingEnded
	case p.Plan != nil && (p.Plan.Video == nil || p.Plan.Video.Action == media.Drop):
		return MissingVideo
	}
	return ""
}

// previews carries what is looked at from the renewer to who makes previews.
type previews struct{ wanted chan []*attempt }

func newPreviews() previews { return previews{wanted: make(chan []*attempt, 1)} }

// want says what is looked at now. What was said before and is still waiting is
// said again with the next renew.
func (p previews) want(watched []*attempt) {
	if len(watched) == 0 {
		return
	}
	select {
	case p.wanted <- watched:
	default:
	}
}

// pictures are an attempt's keyframes and what was made of them. But for the keyframe
// only who makes previews uses them.
type pictures struct {
	keyframe media.LastKeyframe
	Preview
	number   int64     // of the keyframe
	tried    time.Time // when a preview was made or kept last
	poisoned bool      // nothing more is made of it
}

// makePreviews makes the previews that are wanted, one after the other, until ctx
// ends.
func (w *Worker) makePreviews(ctx context.Context) {
	if w.Pictures == nil {
		return
	}
	for {
		select {
		case watched := <-w.previews.wanted:
			slices.SortFunc(watched, func(a, b *attempt) int { return a.pictures.tried.Compare(b.pictures.tried) })
			for _, a := range watched {
				if ctx.Err() != nil {
					return
				}
				w.showPreview(ctx, a)
			}
		case <-ctx.Done():
			return
		}
	}
}

// mostKeyframe is how many bytes a keyframe may have for a preview: one of 4K has less.
const mostKeyframe = 2 << 20

// showPreview keeps a preview of a's newest keyframe in the store, if that is due.
func (w *Worker) showPreview(ctx context.Context, a *attempt) {
	s, begin := &a.pictures, time.Now()
	const early = renewEvery / 2 // renews are no clockwork
	if s.poisoned || begin.Sub(s.tried) < previewEvery-early {
		return
	}
	k := s.keyframe.Get()
	if k.Number == 0 {
		return
	}
	if s.tried = begin; len(k.Data) > mostKeyframe {
		return
	}
	if k.Number != s.number {
		jpeg, err := w.Pictures.Picture(k)
		s.number, s.Preview, s.poisoned = k.Number, Preview{JPEG: jpeg, At: time.Now()}, media.KindOf(err) == media.KindSourcePoisoned
		if err != nil {
			a.log.Debug("a preview could not be made", "error", err)
		}
		defer pause(ctx, (previewShare-1)*s.At.Sub(begin))
	}
	if s.JPEG == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	if err := w.Previews.SavePreview(ctx, a.lease, s.Preview); err != nil && !isTaken(err) {
		a.log.Debug("a preview could not be kept", "error", err)
	}
}
