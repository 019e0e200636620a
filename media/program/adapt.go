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
func (m *Program) newOutput(kind media.MediaType, plan media.Plan) (outputTrack, error) {
	tp, source := plan.Of(kind), m.tracks[kind].source
	switch {
	case tp == nil || tp.Action == media.Drop:
		return nil, nil
	case tp.Action == media.Copy:
		return newCopiedTrack(m.Rules, *source, m.input.Filter(kind)), nil
	case tp.Action == media.Fill && kind == media.Audio:
		return silence(m.audioOutput(tp.Output)), nil
	case tp.Action == media.Fill:
		return m.black(tp.Output)
	case kind == media.Video:
		return m.codeVideo(*source, m.videoOutput(*source, tp.Output))
	default:
		return m.codeAudio(*source, m.audioOutput(tp.Output))
	}
}

// withoutSound is the plan for sound that cannot be decoded: the picture goes on
// without it.
func (m *Program) withoutSound(err error) media.TrackPlan {
	reason := fmt.Sprintf("codec %s cannot be decoded", m.tracks[media.Audio].source.Codec)
	if said, ok := errors.AsType[media.Sentence](err); ok {
		reason = string(said)
	} else if e, ok := errors.AsType[*media.Error](err); ok && e.Err != nil {
		reason += " (" + e.Err.Error() + ")"
	}
	if m.Options.FillAudio {
		return media.TrackPlan{Action: media.Fill, Reason: reason + ": silence"}
	}
	return media.TrackPlan{Action: media.Drop, Reason: reason}
}

func (m *Program) codeVideo(t media.Track, to media.VideoOutput) (*encodedTrack, error) {
	return coded(m.Transcoders.Video(t, to))
}

func (m *Program) codeAudio(t media.Track, to media.AudioOutput) (*encodedTrack, error) {
	return coded(m.Transcoders.Audio(t, to))
}

func coded(coder media.Transcoder, err error) (*encodedTrack, error) {
	if err != nil {
		return nil, err
	}
	return newEncodedTrack(coder), nil
}

// adapt brings the output tracks that there are to a new input.
func (m *Program) adapt(plan media.Plan) error {
	for _, kind := range []media.MediaType{media.Video, media.Audio} {
		var err error
		switch source := m.tracks[kind].source; {
		case m.tracks[kind].output == nil:
		case source == nil:
			err = m.adaptNone(kind)
		default:
			err = m.adaptLane(kind, *source, plan.Of(kind))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *Program) adaptLane(kind media.MediaType, t media.Track, tp *media.TrackPlan) error {
	switch l := m.tracks[kind].output.(type) {
	case *encodedTrack:
		out, err := l.Input(t)
		if m.input.Live { // a file goes on where the room was
			m.take(kind, out)
		}
		return err
	case *copiedTrack:
		reason := tp.Reason
		if tp.Action == media.Copy {
			err := l.input(t, m.input.Filter(kind))
			if err == nil {
				return nil
			}
			reason = err.Error()
		}
		return m.recode(kind, reason)
	default: // it was filled, and now the source has it
		return m.unfill(kind, t, tp)
	}
}

// follow goes on with another stream of the source that has taken a track's part.
func (m *Program) follow(kind media.MediaType, t media.Track) error {
	m.tracks[kind].source = &t
	plan := planTracks(m.Rules, []media.Track{t}, input.ProbeResult{}, m.Options)
	l, coded := m.tracks[kind].output.(*encodedTrack)
	if !coded {
		return m.followWithout(kind, t, plan.Of(kind))
	}
	out, err := l.Input(t)
	m.take(kind, out)
	if kind == media.Video {
		m.copyAgain(plan.Video)
	}
	return err
}

// followWithout is follow for a track that is not re-encoded.
func (m *Program) followWithout(kind media.MediaType, t media.Track, tp *media.TrackPlan) error {
	if err := m.adaptLane(kind, t, tp); err != nil {
		return err
	}
	if _, copied := m.tracks[kind].output.(*copiedTrack); copied && tp.Reason != m.plan.Of(kind).Reason {
		m.setPlan(kind, *tp)
	}
	return nil
}

// recode goes over to re-encoding a track in the middle of the push. What the
// room was told of it (size, rate) stays.
func (m *Program) recode(kind media.MediaType, reason string) error {
	if !m.mayRecode() {
		return &media.Error{Kind: media.KindSourceUnsupported, Op: "plan", Err: mustRecode([]string{fmt.Sprintf("%s: %s", kind, reason)}, " any more")}
	}
	old, source := m.tracks[kind].output, *m.tracks[kind].source
	var l *encodedTrack
	var err error
	out := bitstream.ShapeOf(old.track())
	if kind == media.Video {
		l, err = m.codeVideo(source, m.videoOutput(source, outputOf(out)))
	} else {
		l, err = m.codeAudio(source, m.audioOutput(outputOf(out)))
	}
	if err != nil {
		return err
	}
	if kind == media.Audio && bitstream.Difference(out, bitstream.ShapeOf(l.track())) == "" {
		l.told = out.Extradata
	}
	old.close()
	m.tracks[kind].output = l
	if m.tracks[kind].shown > 0 || m.tracks[kind].coverage.begun {
		l.SkipBefore(m.tracks[kind].shown + clock.Tick)
		if l.hold != nil { // what was copied stands for its time
			l.hold.due, l.hold.stood = m.tracks[kind].shown+clock.FrameHold, m.tracks[kind].shown
		}
	}
	m.setPlan(kind, media.TrackPlan{Action: media.Transcode, Reason: reason})
	return nil
}

func (m *Program) setPlan(kind media.MediaType, tp media.TrackPlan) {
	m.plan = m.plan.With(kind, tp)
	m.Observer.Planned(m.input.Info, m.input.Live, m.plan)
}

func (m *Program) mayRecode() bool {
	return m.Transcoders != nil && m.Options.Transcode != media.TranscodeNever
}

// adaptNone is for a track of the room's that a source opened anew does not
// have. A picture is waited for. In place of the sound there is silence, where
// that needs nothing that viewers were not told, or nothing.
func (m *Program) adaptNone(kind media.MediaType) error {
	old := m.tracks[kind].output
	if _, filled := old.(*filledTrack); filled {
		return nil
	}
	if kind == media.Video {
		return errNoPicture
	}
	told := old.track()
	quiet := silence(m.audioOutput(outputOf(bitstream.ShapeOf(told))))
	if !m.Options.FillAudio || bitstream.Difference(bitstream.ShapeOf(told), bitstream.ShapeOf(quiet.out)) != "" {
		return nil
	}
	old.close()
	quiet.out = told
	m.tracks[kind].output = quiet
	m.setPlan(kind, media.TrackPlan{Action: media.Fill, Reason: "the source has no audio any more: silence"})
	return nil
}

// unfill goes over from what was made up to what the source has now: by copy
// if viewers need be told nothing new. What can be neither copied nor
// re-encoded stays made up.
func (m *Program) unfill(kind media.MediaType, t media.Track, tp *media.TrackPlan) error {
	told := m.tracks[kind].output.track()
	if tp.Action == media.Copy {
		l := newCopiedTrack(m.Rules, t, m.input.Filter(kind))
		if bitstream.Difference(bitstream.ShapeOf(told), l.shape) == "" {
			l.told = told.Extradata
			m.tracks[kind].output = l
			m.setPlan(kind, *tp)
			return nil
		}
	}
	if !m.mayRecode() {
		m.warn(media.WarnLeftOut, clock.LeftOut(kind, neverRecoded))
		return nil
	}
	err := m.recode(kind, "the source has "+kind.String()+" now")
	if media.KindOf(err) == media.KindSourceUnsupported {
		m.warn(media.WarnLeftOut, clock.LeftOut(kind, fmt.Sprintf("its codec %s cannot be decoded by this build", t.Codec)))
		return nil
	}
	return err
}

// neverRecoded is why a track that comes late is left out.
const neverRecoded = "the room does not take it as it is, and transcode: never forbids to re-encode it"

// change re-encodes from here on, beginning to decode at the last keyframe.
// With p nil nothing follows yet.
func (m *Program) change(ctx context.Context, kind media.MediaType, reason string, p *media.Packet) ([]media.Packet, error) {
	old, _ := m.tracks[kind].output.(*copiedTrack)
	packets := slices.Clone(old.gop.Packets)
	switch {
	case p != nil && p.Keyframe: // a decoder can begin here, and could not with what was before another configuration
		packets = []media.Packet{*p}
	case p != nil:
		packets = append(packets, *p)
	}
	if err := m.recode(kind, reason); err != nil {
		return nil, err
	}
	var all []media.Packet
	for _, p := range packets {
		if ctx.Err() != nil { // a GOP may take seconds
			return nil, context.Cause(ctx)
		}
		out, err := m.tracks[kind].output.put(p)
		if err != nil {
			return nil, err
		}
		all = append(all, out...)
	}
	return all, nil
}

// renew notes a new decoder configuration of the source.
func (m *Program) renew(kind media.MediaType, extradata []byte) {
	t := *m.tracks[kind].source
	t.Extradata = extradata
	m.tracks[kind].source = &t
}
