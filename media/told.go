package media

func outputOf(t Track) Output {
	if t.Type == Video {
		return Output{Width: t.Width, Height: t.Height}
	}
	return Output{SampleRate: t.SampleRate, Channels: t.Channels}
}

// unfit says why t, as its decoder configuration has it, is not what the room
// was told; empty when it is.
func unfit(o Output, t Track) string {
	told := t
	told.Width, told.Height, told.SampleRate, told.Channels = o.Width, o.Height, o.SampleRate, o.Channels
	return difference(told, t)
}

// keep makes plan, for a feed that has just been opened, say what the room was
// told; with the first feed of an attempt, also that it gets the same again.
func (m *mixer) keep(plan *Plan) error {
	for _, media := range []MediaType{Video, Audio} {
		told := m.told.output(media)
		if told == (Output{}) {
			continue
		}
		if !m.planned {
			if err := m.keepTrack(media, plan); err != nil {
				return err
			}
		}
		if tp := plan.of(media); tp != nil {
			tp.Output = told
		}
	}
	return nil
}

func (m *mixer) keepTrack(media MediaType, plan *Plan) error {
	switch tp := plan.of(media); {
	case tp == nil && media == Video:
		return errNoPicture
	case tp == nil: // what it was is kept for the next attempt
		plan.Audio = &TrackPlan{Action: Drop, Reason: "the source has no audio any more"}
	case tp.Action == Copy:
		source := configured(*m.feed.track(media), m.feed.conformer(media).config())
		if reason := unfit(m.told.output(media), source); reason != "" {
			tp.Action, tp.Reason = Transcode, reason
		}
	}
	return nil
}

// errNoPicture is a source opened anew that lacks its picture, which is waited
// for: it may take its sender a while to come back with it.
var errNoPicture = &Error{Kind: KindSourceUnavailable, Op: "open source", Err: Because("it came back without its video", nil)}

// videoOutput says what t is re-encoded to: what the room was told, else what
// suits t and the wishes.
func (m *mixer) videoOutput(t Track, told Output) VideoOutput {
	return videoOutput(m.rules, t, m.videoWish(told))
}

// videoWish is what was asked of the picture, at the size that the room was
// told.
func (m *mixer) videoWish(told Output) VideoWish {
	wish := m.reel.options.Video
	if told.Width > 0 && told.Height > 0 {
		wish.Width, wish.Height = told.Width&^1, told.Height&^1
	}
	return wish
}

// audioOutput is videoOutput for audio.
func (m *mixer) audioOutput(told Output) AudioOutput {
	to := audioOutput(m.reel.options.Audio)
	if told.SampleRate > 0 {
		to.SampleRate, to.Channels = told.SampleRate, min(max(told.Channels, 1), outputChannels)
	}
	return to
}
