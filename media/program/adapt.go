package program

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/input"
)

// newOutput makes the output track that plan wants for a type, nil for none.
func (pg *Program) newOutput(kind media.MediaType, plan media.Plan) (outputTrack, error) {
	tp, source := plan.Of(kind), pg.tracks[kind].source
	switch {
	case tp == nil || tp.Action == media.Drop:
		return nil, nil
	case tp.Action == media.Copy:
		return newCopiedTrack(pg.Rules, *source, pg.input.Filter(kind)), nil
	case tp.Action == media.Fill && kind == media.Audio:
		return silence(pg.audioOutput(tp.Output)), nil
	case tp.Action == media.Fill:
		return pg.black(tp.Output)
	case kind == media.Video:
		return pg.codeVideo(*source, pg.videoOutput(*source, tp.Output))
	default:
		return pg.codeAudio(*source, pg.audioOutput(tp.Output))
	}
}

// withoutSound is the plan for sound that cannot be decoded: the picture goes on
// without it.
func (pg *Program) withoutSound(err error) media.TrackPlan {
	reason := fmt.Sprintf("codec %s cannot be decoded", pg.tracks[media.Audio].source.Codec)
	if said, ok := errors.AsType[*media.Reason](err); ok {
		reason = said.Words
	} else if e, ok := errors.AsType[*media.Error](err); ok && e.Err != nil {
		reason += " (" + e.Err.Error() + ")"
	}
	if pg.Options.FillAudio {
		return media.TrackPlan{Action: media.Fill, Reason: reason + ": silence"}
	}
	return media.TrackPlan{Action: media.Drop, Reason: reason}
}

func (pg *Program) codeVideo(t media.Track, to media.VideoOutput) (*encodedTrack, error) {
	return coded(pg.Transcoders.Video(t, to))
}

func (pg *Program) codeAudio(t media.Track, to media.AudioOutput) (*encodedTrack, error) {
	return coded(pg.Transcoders.Audio(t, to))
}

func coded(coder media.Transcoder, err error) (*encodedTrack, error) {
	if err != nil {
		return nil, err
	}
	return newEncodedTrack(coder), nil
}

// adapt brings the output tracks that there are to a new input.
func (pg *Program) adapt(plan media.Plan) error {
	for _, kind := range []media.MediaType{media.Video, media.Audio} {
		var err error
		switch source := pg.tracks[kind].source; {
		case pg.tracks[kind].output == nil:
		case source == nil:
			err = pg.adaptNone(kind)
		default:
			err = pg.adaptLane(kind, *source, plan.Of(kind))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (pg *Program) adaptLane(kind media.MediaType, t media.Track, tp *media.TrackPlan) error {
	switch l := pg.tracks[kind].output.(type) {
	case *encodedTrack:
		out, err := l.Input(t)
		if pg.input.Live { // a file goes on where the room was
			pg.take(kind, out)
		}
		return err
	case *copiedTrack:
		reason := tp.Reason
		if tp.Action == media.Copy {
			err := l.input(t, pg.input.Filter(kind))
			if err == nil {
				return nil
			}
			reason = err.Error()
		}
		return pg.recode(kind, reason)
	default: // it was filled, and now the source has it
		return pg.unfill(kind, t, tp)
	}
}

// follow goes on with another stream of the source that has taken a track's part.
func (pg *Program) follow(kind media.MediaType, t media.Track) error {
	pg.tracks[kind].source = &t
	plan := planTracks(pg.Rules, []media.Track{t}, input.ProbeResult{}, pg.Options)
	l, coded := pg.tracks[kind].output.(*encodedTrack)
	if !coded {
		return pg.followWithout(kind, t, plan.Of(kind))
	}
	out, err := l.Input(t)
	pg.take(kind, out)
	if kind == media.Video {
		pg.copyAgain(plan.Video)
	}
	return err
}

// followWithout is follow for a track that is not re-encoded.
func (pg *Program) followWithout(kind media.MediaType, t media.Track, tp *media.TrackPlan) error {
	if err := pg.adaptLane(kind, t, tp); err != nil {
		return err
	}
	if _, copied := pg.tracks[kind].output.(*copiedTrack); copied && tp.Reason != pg.plan.Of(kind).Reason {
		pg.setPlan(kind, *tp)
	}
	return nil
}

// recode goes over to re-encoding a track in the middle of the push. What the
// room was told of it (size, rate) stays.
func (pg *Program) recode(kind media.MediaType, reason string) error {
	if !pg.mayRecode() {
		return &media.Error{Kind: media.KindSourceUnsupported, Op: "plan", Err: mustRecode([]string{fmt.Sprintf("%s: %s", kind, reason)}, " any more")}
	}
	old, source := pg.tracks[kind].output, *pg.tracks[kind].source
	var l *encodedTrack
	var err error
	out := bitstream.ShapeOf(old.track())
	if kind == media.Video {
		l, err = pg.codeVideo(source, pg.videoOutput(source, outputOf(out)))
	} else {
		l, err = pg.codeAudio(source, pg.audioOutput(outputOf(out)))
	}
	if err != nil {
		return err
	}
	if kind == media.Audio && bitstream.Difference(out, bitstream.ShapeOf(l.track())) == "" {
		l.told = out.Extradata
	}
	old.close()
	pg.tracks[kind].output = l
	if pg.tracks[kind].shown > 0 || pg.tracks[kind].coverage.begun {
		l.SkipBefore(pg.tracks[kind].shown + clock.Tick)
		if l.hold != nil { // what was copied stands for its time
			l.hold.due, l.hold.stood = pg.tracks[kind].shown+clock.FrameHold, pg.tracks[kind].shown
		}
	}
	pg.setPlan(kind, media.TrackPlan{Action: media.Transcode, Reason: reason})
	return nil
}

func (pg *Program) setPlan(kind media.MediaType, tp media.TrackPlan) {
	pg.plan = pg.plan.With(kind, tp)
	pg.Observer.Planned(pg.input.Info, pg.input.Live, pg.plan)
}

func (pg *Program) mayRecode() bool {
	return pg.Transcoders != nil && pg.Options.Transcode != media.TranscodeNever
}

// adaptNone is for a track of the room's that a source opened anew does not
// have. A picture is waited for. In place of the sound there is silence, where
// that needs nothing that viewers were not told, or nothing.
func (pg *Program) adaptNone(kind media.MediaType) error {
	old := pg.tracks[kind].output
	if _, filled := old.(*filledTrack); filled {
		return nil
	}
	if kind == media.Video {
		return errNoPicture
	}
	told := old.track()
	quiet := silence(pg.audioOutput(outputOf(bitstream.ShapeOf(told))))
	if !pg.Options.FillAudio || bitstream.Difference(bitstream.ShapeOf(told), bitstream.ShapeOf(quiet.out)) != "" {
		return nil
	}
	old.close()
	quiet.out = told
	pg.tracks[kind].output = quiet
	pg.setPlan(kind, media.TrackPlan{Action: media.Fill, Reason: "the source has no audio any more: silence"})
	return nil
}

// unfill goes over from what was made up to what the source has now: by copy
// if viewers need be told nothing new. What can be neither copied nor
// re-encoded stays made up.
func (pg *Program) unfill(kind media.MediaType, t media.Track, tp *media.TrackPlan) error {
	told := pg.tracks[kind].output.track()
	if tp.Action == media.Copy {
		l := newCopiedTrack(pg.Rules, t, pg.input.Filter(kind))
		if bitstream.Difference(bitstream.ShapeOf(told), l.shape) == "" {
			l.told = told.Extradata
			pg.tracks[kind].output = l
			pg.setPlan(kind, *tp)
			return nil
		}
	}
	if !pg.mayRecode() {
		pg.warn(media.WarnLeftOut, leftOut(kind, neverRecoded))
		return nil
	}
	err := pg.recode(kind, "the source has "+kind.String()+" now")
	if media.KindOf(err) == media.KindSourceUnsupported {
		pg.warn(media.WarnLeftOut, leftOut(kind, fmt.Sprintf("its codec %s cannot be decoded by this build", t.Codec)))
		return nil
	}
	return err
}

// leftOut says why a track that came after the push had begun is not played.
func leftOut(kind media.MediaType, why string) string {
	return fmt.Sprintf("the source's %s came after the push had begun, and is left out: %s", media.WordFor(kind), why)
}

// neverRecoded is why a track that comes late is left out.
const neverRecoded = "it cannot be copied, and transcode: never forbids to re-encode it; leave transcode out"

// change re-encodes from here on, beginning to decode at the last keyframe.
// With p nil nothing follows yet.
func (pg *Program) change(ctx context.Context, kind media.MediaType, reason string, p *media.Packet) ([]media.Packet, error) {
	old, _ := pg.tracks[kind].output.(*copiedTrack)
	packets := slices.Clone(old.gop.Packets)
	switch {
	case p != nil && p.Keyframe: // a decoder can begin here, and could not with what was before another configuration
		packets = []media.Packet{*p}
	case p != nil:
		packets = append(packets, *p)
	}
	if err := pg.recode(kind, reason); err != nil {
		return nil, err
	}
	var all []media.Packet
	for _, p := range packets {
		if ctx.Err() != nil { // a GOP may take seconds
			return nil, context.Cause(ctx)
		}
		out, err := pg.tracks[kind].output.put(p)
		if err != nil {
			return nil, err
		}
		all = append(all, out...)
	}
	return all, nil
}

// renew notes a new decoder configuration of the source.
func (pg *Program) renew(kind media.MediaType, extradata []byte) {
	t := *pg.tracks[kind].source
	t.Extradata = extradata
	pg.tracks[kind].source = &t
}
