package media

import "errors"

// adaptNone is for a track of the room's that a source opened anew does not
// have. A picture is waited for: it may take its sender a while to come back
// with it. In place of the sound there is silence, where that needs nothing
// that viewers were not told, or nothing.
func (m *mixer) adaptNone(media MediaType) error {
	old := m.lanes[media]
	if _, filled := old.(*fillLane); filled {
		return nil
	}
	if media == Video {
		return &Error{Kind: KindSourceUnavailable, Op: "open source", Err: errors.New("it came back without its video")}
	}
	quiet := silence()
	told := old.track()
	if !m.reel.options.FillAudio || sameTrack(told.configured(told.Extradata), quiet.out.configured(quiet.out.Extradata)) != nil {
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
		if sameTrack(told.configured(told.Extradata), l.shape) == nil {
			l.out.Extradata = told.Extradata
			m.lanes[media] = l
			m.setPlan(media, *tp)
			return nil
		}
	}
	if !m.mayRecode() {
		return nil
	}
	return m.recode(media, "the source has "+media.String()+" now")
}
