package input

import (
	"context"
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/clock"
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

// Probe reads the first packets and keeps them for next. A source without a
// single packet is not media.
func (in *Input) Probe(ctx context.Context) (ProbeResult, error) {
	var s ProbeResult
	var order bitstream.OrderWatch
	var cuts bitstream.CutWatch
	var rate bitstream.RateWatch
	var came [2]bool // by index
	held := 0
	begin := time.Now()
	for held < QueueBytes {
		patient := time.Since(begin) < longestLook
		if in.probedEnough(s, patient) || in.Realtime && !patient {
			break
		}
		p, err := in.get(ctx, in.Patience())
		if s.Ended = (IsEnd(err) || media.KindOf(err) == media.KindSourceEnded) && len(in.ahead) > 0; s.Ended {
			break
		}
		if err != nil {
			return s, noMedia(err)
		}
		in.ahead, held = append(in.ahead, p), held+p.Size()
		if p.Change != nil && p.Track < len(in.filters) && came[p.Track] {
			break // what is known is of the stream before
		}
		in.accept(&p)
		known := in.filters[p.Track].Config()
		_, _ = in.filters[p.Track].Conform(p.Data) // for what is in it
		if came[p.Track] && in.reshaped(p.Track, known) {
			in.unlearn(p.Track)
			break
		}
		came[p.Track] = true
		if in.Info.Tracks[p.Track].Type == media.Video {
			s.pictures++
			s.Reordered = order.Reordered(&p) || in.filters[p.Track].Bidirectional() || s.Reordered
			s.Cut = cuts.Cut(&p) || s.Cut
			s.Stands = s.Stands || clock.StandsLong(&p)
			s.Fps = rate.Fps(p)
		}
	}
	in.turn()
	return s, nil
}

// reshaped says whether the configuration that a track has got makes another picture, or
// sound, of it than the one that was known.
func (in *Input) reshaped(track int, known []byte) bool {
	t, now := in.Info.Tracks[track], in.filters[track].Config()
	return known != nil && bitstream.Difference(bitstream.Configured(t, known), bitstream.Configured(t, now)) != ""
}

// unlearn makes a track's filter know what is in its packets but the last.
func (in *Input) unlearn(track int) {
	in.filters[track] = bitstream.NewFilter(in.Info.Tracks[track])
	for _, p := range in.ahead[:len(in.ahead)-1] {
		if p.Track == track {
			_, _ = in.filters[track].Conform(p.Data)
		}
	}
}

// turn makes the tracks be shown as their first pictures say.
func (in *Input) turn() {
	in.Info.Tracks = slices.Clone(in.Info.Tracks) // they are the source's, too
	for i, t := range in.Info.Tracks {
		in.Info.Tracks[i] = bitstream.Turned(t, in.filters[i])
	}
}

// probedEnough says whether what has been looked at tells all; patient, whether
// there is time for pictures that are far apart.
func (in *Input) probedEnough(s ProbeResult, patient bool) bool {
	if len(in.ahead) == 0 {
		return false
	}
	limit := lookaheadVideos
	if in.Realtime {
		limit = lookaheadLive
	}
	span := in.ahead[len(in.ahead)-1].DTS - in.ahead[0].DTS
	switch ready := in.configured() && (in.gate.AudioOnly || s.pictures > 0); {
	case !ready:
		return false
	case s.pictures >= limit:
		return true
	case span > lookaheadSpan && patient && s.pictures < lookaheadLive && !s.Reordered && in.mayReorder():
		return span > lookaheadSlow
	default:
		return span > lookaheadSpan
	}
}

func noMedia(err error) error {
	if IsEnd(err) {
		return &media.Error{Kind: media.KindSourceInvalid, Op: "read source", Err: media.Because("it ended before there was a picture or sound in it", nil)}
	}
	return err
}

// configured says whether the decoder configuration of every track that could
// be copied is known.
func (in *Input) configured() bool {
	for i, c := range in.filters {
		codec := in.Info.Tracks[i].Codec
		if c.Config() == nil && (codec == media.H264 || codec == media.AAC) {
			return false
		}
	}
	return true
}

// mayReorder says whether there may be B-frames in a picture that could be copied.
func (in *Input) mayReorder() bool {
	if t := in.Track(media.Video); t == nil || t.Codec != media.H264 {
		return false
	}
	config := in.Filter(media.Video).Config()
	return config != nil && bitstream.MayReorder(config)
}

// ProbeResult is what the first packets of a source showed; codec parameters alone
// mislead about reordering.
type ProbeResult struct {
	pictures  int
	Reordered bool    // PTS do not rise in the order of DTS: B-frames
	Cut       bool    // the container leaves out pictures that others are made of
	Stands    bool    // a picture is shown for longer than one may stand
	Fps       float64 // by their DTS; 0: not known
	Ended     bool    // there is nothing else
}
