package program

import (
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
)

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

// keepAnnounced makes plan, for an input that has just been opened, say what the room was
// told; with the first input of an attempt, also that it gets the same again.
func (pg *Program) keepAnnounced(plan *media.Plan) error {
	for _, kind := range []media.MediaType{media.Video, media.Audio} {
		told := pg.announced.Output(kind)
		if told == (media.Output{}) {
			continue
		}
		if !pg.planned {
			if err := pg.keepAnnouncedTrack(kind, plan); err != nil {
				return err
			}
		}
		if tp := plan.Of(kind); tp != nil {
			tp.Output = told
		}
	}
	return nil
}

func (pg *Program) keepAnnouncedTrack(kind media.MediaType, plan *media.Plan) error {
	switch tp := plan.Of(kind); {
	case tp == nil && kind == media.Video:
		return errNoPicture
	case tp == nil: // what it was is kept for the next attempt
		plan.Audio = &media.TrackPlan{Action: media.Drop, Reason: "the source has no audio any more"}
	case tp.Action == media.Copy:
		source := bitstream.Configured(*pg.input.Track(kind), pg.input.Filter(kind).Config())
		if reason := unfit(pg.announced.Output(kind), source); reason != "" {
			tp.Action, tp.Reason = media.Transcode, reason
		}
	}
	return nil
}

// errNoPicture is a source opened anew that lacks its picture, which is waited
// for: it may take its sender a while to come back with it.
var errNoPicture = &media.Error{Kind: media.KindSourceUnavailable, Op: "open source", Err: media.Because("it came back without its video", nil)}

// videoOutput says what t is re-encoded to: what the room was told, else what
// suits t and the wishes.
func (pg *Program) videoOutput(t media.Track, told media.Output) media.VideoOutput {
	return videoOutput(pg.Rules, t, pg.videoWish(told))
}

// videoWish is what was asked of the picture, at the size that the room was
// told.
func (pg *Program) videoWish(told media.Output) media.VideoWish {
	wish := pg.Options.Video
	if told.Width > 0 && told.Height > 0 {
		wish.Width, wish.Height = told.Width&^1, told.Height&^1
	}
	return wish
}

// audioOutput is videoOutput for audio.
func (pg *Program) audioOutput(told media.Output) media.AudioOutput {
	to := audioOutput(pg.Options.Audio)
	if told.SampleRate > 0 {
		to.SampleRate, to.Channels = told.SampleRate, min(max(told.Channels, 1), outputChannels)
	}
	return to
}
