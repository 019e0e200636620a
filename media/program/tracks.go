package program

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/input"
)

// roomTracks are the tracks of the rooms. It makes them as the plan says: it decides when
// a track goes over from copied to re-encoded or filled, and the other way round. Of the
// packets that its methods return Program decides what becomes of them.
type roomTracks struct {
	planner
	of      [2]track     // by MediaType
	dropped atomic.Int64 // packets of the source that came to nothing
	stale   bool         // what the decoders hold is too old to be shown
	retold  bool         // the rooms are to be opened anew: they were told other tracks
}

func (ts *roomTracks) picture() *track { return &ts.of[media.Video] }
func (ts *roomTracks) sound() *track   { return &ts.of[media.Audio] }

// all returns the room's tracks; a packet's Track is an index into them.
func (ts *roomTracks) all() []media.Track {
	var tracks []media.Track
	for kind := range ts.of {
		if o := ts.of[kind].output; o != nil {
			tracks = append(tracks, o.track())
		}
	}
	return tracks
}

// index returns a type's index into all.
func (ts *roomTracks) index(kind media.MediaType) int {
	if kind == media.Audio && ts.picture().output != nil {
		return 1
	}
	return 0
}

// encodes says whether a track is being re-encoded.
func (ts *roomTracks) encodes(kind media.MediaType) bool { return ts.of[kind].encoded != nil }

// busy says whether making packets takes noticeable time: then it is done
// ahead.
func (ts *roomTracks) busy() bool { return ts.encodes(media.Video) || ts.encodes(media.Audio) }

func (ts *roomTracks) skipBefore(t time.Duration) {
	for kind := range ts.of {
		ts.of[kind].encoded.skipBefore(t)
	}
}

func (ts *roomTracks) skipFrom(t time.Duration) {
	for kind := range ts.of {
		ts.of[kind].encoded.skipFrom(t)
	}
}

// spoiled counts n packets that came to nothing because they are damaged.
func (ts *roomTracks) spoiled(kind media.MediaType, at time.Duration, n int64) error {
	if n == 0 {
		return nil
	}
	ts.lose(n)
	return ts.of[kind].damage.note(at, 0, n)
}

func (ts *roomTracks) lose(n int64) {
	if n > 0 {
		ts.dropped.Add(n)
	}
}

// planFor plans what is done with an input that is to be the present one: a picture that
// the room was not told of is left out, and one that stands is re-encoded from the first.
func (ts *roomTracks) planFor(o openedInput) media.Plan {
	plan := ts.decide(o)
	if ts.planned && ts.picture().output == nil {
		plan.Video = nil
	}
	if tp := plan.Video; tp != nil && tp.Action == media.Copy && o.probe.Stands && ts.mayRecode() {
		*tp = media.TrackPlan{Action: media.Transcode, Reason: reasonStands}
	}
	return plan
}

// take makes an input the present one, and plan what is done with it.
func (ts *roomTracks) take(in *input.Input, plan *media.Plan) error {
	if err := ts.accept(in, plan); err != nil {
		return err
	}
	for _, kind := range kinds {
		ts.of[kind].source = in.Track(kind)
	}
	return nil
}

// ask asks whether what plan says may be done here; nobody has encoded for it yet. A push
// that plays is not asked again: it would leave a hole.
func (ts *roomTracks) ask(plan media.Plan) error {
	if ts.Fits == nil || ts.retold {
		return nil
	}
	for _, kind := range kinds { // the plan's own is changed by open
		if tp := plan.Of(kind); tp != nil {
			plan = plan.With(kind, *tp)
		}
	}
	if tp := plan.Video; tp != nil && tp.Action == media.Transcode {
		to := ts.videoOutput(*ts.picture().source, tp.Output)
		tp.Output = media.Output{Width: to.Width, Height: to.Height}
	}
	ts.tell(plan)
	return ts.Fits()
}

// open makes the output tracks, for the whole push.
func (ts *roomTracks) open(plan media.Plan) error {
	if err := ts.ask(plan); err != nil {
		return err
	}
	for _, kind := range kinds {
		o, err := ts.make(kind, plan)
		if kind == media.Audio && ts.picture().output != nil && media.KindOf(err) == media.KindSourceUnsupported {
			plan = plan.With(media.Audio, ts.withoutSound(err))
			o, err = ts.make(kind, plan)
		}
		if err != nil {
			ts.tell(plan)
			return err
		}
		ts.of[kind].become(o)
		if o != nil && plan.Output(kind) == (media.Output{}) {
			plan.Of(kind).Output = outputOf(bitstream.ShapeOf(o.track()))
		}
	}
	ts.tell(plan)
	ts.plan, ts.announced, ts.planned = plan, plan, true
	return nil
}

// copies returns what copies t, which the input has for a type.
func (ts *roomTracks) copies(kind media.MediaType, t media.Track) *copiedTrack {
	c := newCopiedTrack(ts.Rules, t, ts.input.Filter(kind))
	c.recodes = ts.mayRecode()
	return c
}

// make makes the output track that plan wants for a type, nil for none.
func (ts *roomTracks) make(kind media.MediaType, plan media.Plan) (outputTrack, error) {
	tp, source := plan.Of(kind), ts.of[kind].source
	switch {
	case tp == nil || tp.Action == media.Drop:
		return nil, nil
	case tp.Action == media.Copy:
		return ts.copies(kind, *source), nil
	case tp.Action == media.Fill && kind == media.Audio:
		return silence(ts.audioOutput(tp.Output)), nil
	case tp.Action == media.Fill:
		return black(ts.Transcoders, ts.Rules, ts.videoOptions(tp.Output))
	default:
		return ts.encoder(kind, *source, tp.Output)
	}
}

// encoder makes what re-encodes source, to what the room was told of it.
func (ts *roomTracks) encoder(kind media.MediaType, source media.Track, told media.Output) (*encodedTrack, error) {
	var coder media.Transcoder
	var err error
	if kind == media.Video {
		coder, err = ts.Transcoders.Video(source, ts.videoOutput(source, told))
	} else {
		coder, err = ts.Transcoders.Audio(source, ts.audioOutput(told))
	}
	if err != nil {
		return nil, err
	}
	return newEncodedTrack(coder), nil
}

// withoutSound is the plan for sound that cannot be decoded: the picture goes on
// without it.
func (ts *roomTracks) withoutSound(err error) media.TrackPlan {
	reason := fmt.Sprintf("codec %s cannot be decoded", ts.sound().source.Codec)
	if said, ok := errors.AsType[*media.Reason](err); ok {
		reason = said.Words
	} else if e, ok := errors.AsType[*media.Error](err); ok && e.Err != nil {
		reason += " (" + e.Err.Error() + ")"
	}
	if ts.Options.FillAudio {
		return media.TrackPlan{Action: media.Fill, Reason: reason + ": silence"}
	}
	return media.TrackPlan{Action: media.Drop, Reason: reason}
}

// goOn brings a track to the input that was taken, and returns what was still inside of
// the one before.
func (ts *roomTracks) goOn(kind media.MediaType, plan media.Plan) ([]media.Packet, error) {
	switch track := &ts.of[kind]; {
	case track.output == nil:
		return nil, nil
	case track.source == nil:
		return nil, ts.goOnWithout(kind)
	default:
		return ts.goOnWith(kind, *track.source, plan.Of(kind))
	}
}

func (ts *roomTracks) goOnWith(kind media.MediaType, t media.Track, tp *media.TrackPlan) ([]media.Packet, error) {
	track := &ts.of[kind]
	switch {
	case track.encoded != nil:
		return track.encoded.input(t)
	case track.filled != nil: // and now the source has it
		return nil, ts.unfill(kind, t, tp)
	}
	reason := tp.Reason
	if tp.Action == media.Copy {
		err := track.copied.input(t, ts.input.Filter(kind))
		if err == nil {
			return nil, nil
		}
		reason = err.Error()
	}
	return nil, ts.recode(kind, reason)
}

// goOnWithout is for a track of the room's that a source opened anew does not
// have. A picture is waited for. In place of the sound there is silence, where
// that needs nothing that viewers were not told, or nothing.
func (ts *roomTracks) goOnWithout(kind media.MediaType) error {
	track := &ts.of[kind]
	if track.filled != nil {
		return nil
	}
	if kind == media.Video {
		return errNoPicture
	}
	quiet := ts.silenceAs(track.output.track())
	if !ts.Options.FillAudio || quiet == nil {
		return nil
	}
	track.become(quiet)
	ts.set(kind, media.TrackPlan{Action: media.Fill, Reason: "the source has no audio any more: silence"})
	return nil
}

// silenceAs makes silence of the form that the room was told of its sound; nil where that
// cannot be.
func (ts *roomTracks) silenceAs(told media.Track) *filledTrack {
	quiet := silence(ts.audioOutput(outputOf(bitstream.ShapeOf(told))))
	if bitstream.Difference(bitstream.ShapeOf(told), bitstream.ShapeOf(quiet.out)) != "" {
		return nil
	}
	quiet.out = told
	return quiet
}

// follow goes on with another stream of the source that has taken a track's part, and
// returns what is planned for it, too.
func (ts *roomTracks) follow(kind media.MediaType, t media.Track) ([]media.Packet, *media.TrackPlan, error) {
	track := &ts.of[kind]
	track.source = &t
	plan := planTracks(ts.Rules, []media.Track{t}, input.ProbeResult{}, ts.Options)
	tp := plan.Of(kind)
	out, err := ts.goOnWith(kind, t, tp)
	if err == nil && track.copied != nil && tp.Reason != ts.plan.Of(kind).Reason {
		ts.set(kind, *tp)
	}
	return out, tp, err
}

// renew notes a new decoder configuration of the source.
func (ts *roomTracks) renew(kind media.MediaType, extradata []byte) {
	t := *ts.of[kind].source
	t.Extradata = extradata
	ts.of[kind].source = &t
}

// recode goes over to re-encoding a track in the middle of the push. What the
// room was told of it (size, rate) stays.
func (ts *roomTracks) recode(kind media.MediaType, reason string) error {
	if !ts.mayRecode() {
		return &media.Error{Kind: media.KindSourceUnsupported, Op: "plan", Err: mustRecode([]string{fmt.Sprintf("%s: %s", kind, reason)}, " any more")}
	}
	track := &ts.of[kind]
	out := bitstream.ShapeOf(track.output.track())
	encoded, err := ts.encoder(kind, *track.source, outputOf(out))
	if err != nil {
		return err
	}
	if kind == media.Audio && bitstream.Difference(out, bitstream.ShapeOf(encoded.track())) == "" {
		encoded.told = out.Extradata
	}
	track.become(encoded)
	if track.shown > 0 || track.coverage.begun {
		encoded.skipBefore(track.shown + clock.Tick)
		if encoded.hold != nil { // what was copied stands for its time
			encoded.hold.due, encoded.hold.stood = track.shown+clock.FrameHold, track.shown
		}
	}
	ts.set(kind, media.TrackPlan{Action: media.Transcode, Reason: reason})
	return nil
}

// unfill goes over from what was made up to what the source has now: by copy
// if viewers need be told nothing new. What can be neither copied nor
// re-encoded stays made up.
func (ts *roomTracks) unfill(kind media.MediaType, t media.Track, tp *media.TrackPlan) error {
	told := ts.of[kind].output.track()
	if tp.Action == media.Copy {
		copied := ts.copies(kind, t)
		if bitstream.Difference(bitstream.ShapeOf(told), copied.shape) == "" {
			copied.told = told.Extradata
			ts.of[kind].become(copied)
			ts.set(kind, *tp)
			return nil
		}
	}
	if !ts.mayRecode() {
		ts.Observer.Warned(media.WarnLeftOut, leftOut(kind, neverRecoded))
		return nil
	}
	err := ts.recode(kind, "the source has "+kind.String()+" now")
	if media.KindOf(err) == media.KindSourceUnsupported {
		ts.Observer.Warned(media.WarnLeftOut, leftOut(kind, fmt.Sprintf("its codec %s cannot be decoded by this build", t.Codec)))
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

// put returns what the room gets of a packet of the source. A track that cannot be copied
// any more is re-encoded from it on.
func (ts *roomTracks) put(ctx context.Context, kind media.MediaType, p media.Packet) ([]media.Packet, error) {
	out, err := ts.of[kind].output.put(p)
	if change, ok := errors.AsType[*planChange](err); ok {
		return ts.change(ctx, kind, change.reason, &p)
	}
	return out, err
}

// change re-encodes from here on, beginning to decode at the last keyframe.
// With p nil nothing follows yet.
func (ts *roomTracks) change(ctx context.Context, kind media.MediaType, reason string, p *media.Packet) ([]media.Packet, error) {
	var packets []media.Packet
	if p == nil || !p.Keyframe { // else a decoder can begin here, and could not with what was before another configuration
		packets = ts.of[kind].copied.gop.Packets()
	}
	if p != nil {
		packets = append(packets, *p)
	}
	if err := ts.recode(kind, reason); err != nil {
		return nil, err
	}
	var all []media.Packet
	for _, p := range packets {
		if ctx.Err() != nil { // a GOP may take seconds
			return nil, context.Cause(ctx)
		}
		out, err := ts.of[kind].output.put(p)
		if err != nil {
			return nil, err
		}
		all = append(all, out...)
	}
	return all, nil
}

// close makes the next input decide anew what tracks the room has.
func (ts *roomTracks) close() {
	for kind := range ts.of {
		ts.of[kind].close()
	}
	ts.planned = false
}
