package media

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// lane makes the lane that plan wants for a type, nil for none.
func (m *mixer) lane(media MediaType, plan Plan) (lane, error) {
	tp, source := plan.of(media), m.sources[media]
	switch {
	case tp == nil || tp.Action == Drop:
		return nil, nil
	case tp.Action == Copy:
		return newCopyLane(m.rules, *source, m.feed.conformer(media)), nil
	case tp.Action == Fill && media == Audio:
		return silence(m.audioOutput(tp.Output)), nil
	case tp.Action == Fill:
		return m.black(tp.Output)
	case media == Video:
		return m.codeVideo(*source, m.videoOutput(*source, tp.Output))
	default:
		return m.codeAudio(*source, m.audioOutput(tp.Output))
	}
}

// withoutSound is the plan for sound that cannot be decoded: the picture goes on
// without it.
func (m *mixer) withoutSound(err error) TrackPlan {
	reason := fmt.Sprintf("codec %s cannot be decoded", m.sources[Audio].Codec)
	if said, ok := errors.AsType[*Reason](err); ok {
		reason = said.Words
	} else if e, ok := errors.AsType[*Error](err); ok && e.Err != nil {
		reason += " (" + e.Err.Error() + ")"
	}
	if m.reel.options.FillAudio {
		return TrackPlan{Action: Fill, Reason: reason + ": silence"}
	}
	return TrackPlan{Action: Drop, Reason: reason}
}

func (m *mixer) codeVideo(t Track, to VideoOutput) (*codeLane, error) {
	return coded(m.transcoders.Video(t, to))
}

func (m *mixer) codeAudio(t Track, to AudioOutput) (*codeLane, error) {
	return coded(m.transcoders.Audio(t, to))
}

func coded(coder Transcoder, err error) (*codeLane, error) {
	if err != nil {
		return nil, err
	}
	return newCodeLane(coder), nil
}

// adapt brings the lanes that there are to a new feed.
func (m *mixer) adapt(plan Plan) error {
	for _, media := range []MediaType{Video, Audio} {
		var err error
		switch source := m.sources[media]; {
		case m.lanes[media] == nil:
		case source == nil:
			err = m.adaptNone(media)
		default:
			err = m.adaptLane(media, *source, plan.of(media))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *mixer) adaptLane(media MediaType, t Track, tp *TrackPlan) error {
	switch l := m.lanes[media].(type) {
	case *codeLane:
		out, err := l.Input(t)
		if m.feed.live { // a file goes on where the room was
			m.take(media, out)
		}
		return err
	case *copyLane:
		reason := tp.Reason
		if tp.Action == Copy {
			err := l.input(t, m.feed.conformer(media))
			if err == nil {
				return nil
			}
			reason = err.Error()
		}
		return m.recode(media, reason)
	default: // it was filled, and now the source has it
		return m.unfill(media, t, tp)
	}
}

// follow goes on with another stream of the source that has taken a track's part.
func (m *mixer) follow(media MediaType, t Track) error {
	m.sources[media] = &t
	plan := m.rules.plan([]Track{t}, seen{}, m.reel.options)
	l, coded := m.lanes[media].(*codeLane)
	if !coded {
		return m.followWithout(media, t, plan.of(media))
	}
	out, err := l.Input(t)
	m.take(media, out)
	if media == Video {
		m.copyAgain(plan.Video)
	}
	return err
}

// followWithout is follow for a track that is not re-encoded.
func (m *mixer) followWithout(media MediaType, t Track, tp *TrackPlan) error {
	if err := m.adaptLane(media, t, tp); err != nil {
		return err
	}
	if _, copied := m.lanes[media].(*copyLane); copied && tp.Reason != m.plan.of(media).Reason {
		m.setPlan(media, *tp)
	}
	return nil
}

// recode goes over to re-encoding a track in the middle of the push. What the
// room was told of it (size, rate) stays.
func (m *mixer) recode(media MediaType, reason string) error {
	if !m.mayRecode() {
		return &Error{Kind: KindSourceUnsupported, Op: "plan", Err: mustRecode([]string{fmt.Sprintf("%s: %s", media, reason)}, " any more")}
	}
	old, source := m.lanes[media], *m.sources[media]
	var l *codeLane
	var err error
	out := old.track().shape()
	if media == Video {
		l, err = m.codeVideo(source, m.videoOutput(source, outputOf(out)))
	} else {
		l, err = m.codeAudio(source, m.audioOutput(outputOf(out)))
	}
	if err != nil {
		return err
	}
	if media == Audio && sameTrack(out, l.track().shape()) == nil {
		l.told = out.Extradata
	}
	old.close()
	m.lanes[media] = l
	if m.shown[media] > 0 || m.covers[media].begun {
		l.SkipBefore(m.shown[media] + tick)
		if l.still != nil { // what was copied stands for its time
			l.still.due, l.still.stood = m.shown[media]+stillTime, m.shown[media]
		}
	}
	m.setPlan(media, TrackPlan{Action: Transcode, Reason: reason})
	return nil
}

func (m *mixer) setPlan(media MediaType, tp TrackPlan) {
	m.plan = m.plan.with(media, tp)
	m.onPlan(m.feed, m.plan)
}

func (m *mixer) mayRecode() bool {
	return m.transcoders != nil && m.reel.options.Transcode != TranscodeNever
}

// adaptNone is for a track of the room's that a source opened anew does not
// have. A picture is waited for. In place of the sound there is silence, where
// that needs nothing that viewers were not told, or nothing.
func (m *mixer) adaptNone(media MediaType) error {
	old := m.lanes[media]
	if _, filled := old.(*fillLane); filled {
		return nil
	}
	if media == Video {
		return errNoPicture
	}
	told := old.track()
	quiet := silence(m.audioOutput(outputOf(told.shape())))
	if !m.reel.options.FillAudio || sameTrack(told.shape(), quiet.out.shape()) != nil {
		return nil
	}
	old.close()
	quiet.out = told
	m.lanes[media] = quiet
	m.setPlan(media, TrackPlan{Action: Fill, Reason: "the source has no audio any more: silence"})
	return nil
}

// unfill goes over from what was made up to what the source has now: by copy
// if viewers need be told nothing new. What can be neither copied nor
// re-encoded stays made up.
func (m *mixer) unfill(media MediaType, t Track, tp *TrackPlan) error {
	told := m.lanes[media].track()
	if tp.Action == Copy {
		l := newCopyLane(m.rules, t, m.feed.conformer(media))
		if sameTrack(told.shape(), l.shape) == nil {
			l.told = told.Extradata
			m.lanes[media] = l
			m.setPlan(media, *tp)
			return nil
		}
	}
	if !m.mayRecode() {
		m.warn(WarnLeftOut, leftOut(media, neverRecoded))
		return nil
	}
	err := m.recode(media, "the source has "+media.String()+" now")
	if KindOf(err) == KindSourceUnsupported {
		m.warn(WarnLeftOut, leftOut(media, fmt.Sprintf("its codec %s cannot be decoded by this build", t.Codec)))
		return nil
	}
	return err
}

// neverRecoded is why a track that comes late is left out.
const neverRecoded = "it cannot be copied, and transcode: never forbids to re-encode it; leave transcode out"

// change re-encodes from here on, beginning to decode at the last keyframe.
// With p nil nothing follows yet.
func (m *mixer) change(ctx context.Context, media MediaType, reason string, p *Packet) ([]Packet, error) {
	old, _ := m.lanes[media].(*copyLane)
	packets := slices.Clone(old.gop.packets)
	switch {
	case p != nil && p.Keyframe: // a decoder can begin here, and could not with what was before another configuration
		packets = []Packet{*p}
	case p != nil:
		packets = append(packets, *p)
	}
	if err := m.recode(media, reason); err != nil {
		return nil, err
	}
	var all []Packet
	for _, p := range packets {
		if ctx.Err() != nil { // a GOP may take seconds
			return nil, context.Cause(ctx)
		}
		out, err := m.lanes[media].put(p)
		if err != nil {
			return nil, err
		}
		all = append(all, out...)
	}
	return all, nil
}

// renew notes a new decoder configuration of the source.
func (m *mixer) renew(media MediaType, extradata []byte) {
	t := *m.sources[media]
	t.Extradata = extradata
	m.sources[media] = &t
}
