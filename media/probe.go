package media

import (
	"context"
	"time"
)

// How much of a source is looked at before anything is decided.
const (
	lookaheadSpan   = time.Second
	lookaheadVideos = 60 // packets of a file
	lookaheadLive   = 8  // packets of a live source: each costs viewers its duration
	// lookaheadSlow is for how long as many pictures are waited for where the first
	// B-frame may come late: slides.
	lookaheadSlow = 30 * time.Second
	// longestLook is for how long a live source may keep a decoder configuration
	// to itself.
	longestLook = 5 * time.Second
)

// look reads the first packets and keeps them for next. A source without a
// single packet is not media.
func (f *feed) look(ctx context.Context) (seen, error) {
	var s seen
	var order orderWatch
	var cuts cutWatch
	var rate rateWatch
	var came [2]bool // by index
	held := 0
	begin := time.Now()
	for held < queueBytes {
		patient := time.Since(begin) < longestLook
		if f.seenEnough(s, patient) || f.realtime && !patient {
			break
		}
		p, err := f.get(ctx, f.patience())
		if s.ended = (isEnd(err) || KindOf(err) == KindSourceEnded) && len(f.held) > 0; s.ended {
			break
		}
		if err != nil {
			return s, noMedia(err)
		}
		f.held, held = append(f.held, p), held+len(p.Data)
		if p.Change != nil && p.Track < len(f.conformers) && came[p.Track] {
			break // what is known is of the stream before
		}
		f.accept(p)
		came[p.Track] = true
		_, _ = f.conformers[p.Track].conform(p.Data) // for what is in it
		if f.info.Tracks[p.Track].Type == Video {
			s.pictures++
			s.reordered = order.reordered(p) || f.conformers[p.Track].bidirectional() || s.reordered
			s.cut = cuts.cut(p) || s.cut
			s.stands = s.stands || standsLong(p)
			s.fps = rate.fps(p)
		}
	}
	return s, nil
}

// seenEnough says whether what has been looked at tells all; patient, whether
// there is time for pictures that are far apart.
func (f *feed) seenEnough(s seen, patient bool) bool {
	if len(f.held) == 0 {
		return false
	}
	limit := lookaheadVideos
	if f.realtime {
		limit = lookaheadLive
	}
	span := f.held[len(f.held)-1].DTS - f.held[0].DTS
	switch ready := f.configured() && (f.gate.audioOnly || s.pictures > 0); {
	case !ready:
		return false
	case s.pictures >= limit:
		return true
	case span > lookaheadSpan && patient && s.pictures < lookaheadLive && !s.reordered && f.mayReorder():
		return span > lookaheadSlow
	default:
		return span > lookaheadSpan
	}
}

func noMedia(err error) error {
	if isEnd(err) {
		return &Error{Kind: KindSourceInvalid, Op: "read source", Err: Because("it ended before there was a picture or sound in it", nil)}
	}
	return err
}

// configured says whether the decoder configuration of every track that could
// be copied is known.
func (f *feed) configured() bool {
	for i, c := range f.conformers {
		codec := f.info.Tracks[i].Codec
		if c.config() == nil && (codec == H264 || codec == AAC) {
			return false
		}
	}
	return true
}

// mayReorder says whether there may be B-frames in a picture that could be copied.
func (f *feed) mayReorder() bool {
	if t := f.track(Video); t == nil || t.Codec != H264 {
		return false
	}
	config := f.conformer(Video).config()
	return config != nil && mayReorder(config)
}

// seen is what the first packets of a source showed; codec parameters alone
// mislead about reordering.
type seen struct {
	pictures  int
	reordered bool    // PTS do not rise in the order of DTS: B-frames
	cut       bool    // the container leaves out pictures that others are made of
	stands    bool    // a picture is shown for longer than one may stand
	fps       float64 // by their DTS; 0: not known
	ended     bool    // there is nothing else
}
