package program

import (
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/input"
)

// planner decides what is done with each track of the present input, and that the room
// gets what it was told of it.
type planner struct {
	*Config                // of its program
	input     *input.Input // the present one, or the last
	announced media.Plan   // whose Outputs the room knows: of the attempt before, then of this one
	plan      media.Plan   // of the input
	planned   bool
}

// decide plans what is done with an input that is opened.
func (pl *planner) decide(o openedInput) media.Plan {
	plan := planTracks(pl.Rules, o.input.Info.Tracks, o.probe, pl.Options)
	for _, t := range o.input.Info.Tracks {
		if tp := plan.Of(t.Type); tp.Action == media.Copy && o.input.Filter(t.Type).Config() == nil {
			*tp = media.TrackPlan{Action: media.Transcode, Reason: "no decoder configuration in it"}
		}
	}
	return plan
}

// accept makes an input the present one, for which plan is kept to what the room was told.
// Its error says that the input cannot be played so.
func (pl *planner) accept(in *input.Input, plan *media.Plan) error {
	pl.input = in
	if err := pl.keepAnnounced(plan); err != nil {
		return err
	}
	if pl.mayRecode() {
		return nil
	}
	err := copyable(*plan)
	if err != nil {
		pl.tell(*plan)
	}
	return err
}

// keepAnnounced makes plan, for an input that has just been opened, say what the room was
// told; with the first input of an attempt, also that it gets the same again.
func (pl *planner) keepAnnounced(plan *media.Plan) error {
	for _, kind := range kinds {
		told := pl.announced.Output(kind)
		if told == (media.Output{}) {
			continue
		}
		if !pl.planned {
			if err := pl.keepAnnouncedTrack(kind, plan); err != nil {
				return err
			}
		}
		if tp := plan.Of(kind); tp != nil {
			tp.Output = told
		}
	}
	return nil
}

func (pl *planner) keepAnnouncedTrack(kind media.MediaType, plan *media.Plan) error {
	switch tp := plan.Of(kind); {
	case tp == nil && kind == media.Video:
		return errNoPicture
	case tp == nil: // what it was is kept for the next attempt
		plan.Audio = &media.TrackPlan{Action: media.Drop, Reason: "the source has no audio any more"}
	case tp.Action == media.Copy:
		source := bitstream.Configured(*pl.input.Track(kind), pl.input.Filter(kind).Config())
		if reason := unfit(pl.announced.Output(kind), source); reason != "" {
			tp.Action, tp.Reason = media.Transcode, reason
		}
	}
	return nil
}

// errNoPicture is a source opened anew that lacks its picture, which is waited
// for: it may take its sender a while to come back with it.
var errNoPicture = &media.Error{Kind: media.KindSourceUnavailable, Op: "open source", Err: media.Because("it came back without its video", nil)}

// set changes what is done with a track.
func (pl *planner) set(kind media.MediaType, tp media.TrackPlan) {
	pl.plan = pl.plan.With(kind, tp)
	pl.tell(pl.plan)
}

func (pl *planner) tell(plan media.Plan) {
	pl.Observer.Planned(pl.input.Info, pl.input.Live, plan)
}

func (pl *planner) mayRecode() bool {
	return pl.Transcoders != nil && pl.Options.Transcode != media.TranscodeNever
}

// videoOutput says what t is re-encoded to: what the room was told, else what
// suits t and the options.
func (pl *planner) videoOutput(t media.Track, told media.Output) media.VideoOutput {
	return videoOutput(pl.Rules, t, pl.videoOptions(told))
}

// videoOptions is what was asked of the picture, at the size that the room was
// told.
func (pl *planner) videoOptions(told media.Output) media.VideoOptions {
	asked := pl.Options.Video
	if told.Width > 0 && told.Height > 0 {
		asked.Width, asked.Height = told.Width&^1, told.Height&^1
	}
	return asked
}

// audioOutput is videoOutput for audio.
func (pl *planner) audioOutput(told media.Output) media.AudioOutput {
	to := audioOutput(pl.Options.Audio)
	if told.SampleRate > 0 {
		to.SampleRate, to.Channels = told.SampleRate, min(max(told.Channels, 1), outputChannels)
	}
	return to
}

// kinds are those that a room has tracks of, in the order of its tracks.
var kinds = [...]media.MediaType{media.Video, media.Audio}

func outputOf(t media.Track) media.Output {
	if t.Type == media.Video {
		return media.Output{Width: t.Width, Height: t.Height}
	}
	return media.Output{SampleRate: t.SampleRate, Channels: t.Channels}
}

// unfit says why t, as its decoder configuration has it, is not what the room
// was told; empty when it is.
func unfit(o media.Output, t media.Track) string {
	told := t
	told.Width, told.Height, told.SampleRate, told.Channels = o.Width, o.Height, o.SampleRate, o.Channels
	return bitstream.Difference(told, t)
}
