package media

import "time"

// A hole in the room's sound is filled with silence, so that no player waits for
// it or gives up.
const (
	// hushFile and hushLive are by how much sound may lie behind the picture
	// before it is taken for missing: of a file that is re-encoded, what an encoder
	// holds.
	hushFile = time.Second
	hushLive = 2 * time.Second
)

// hush fills the room's sound up to t.
func (m *mixer) hush(t time.Duration) {
	l := m.lanes[Audio]
	_, made := l.(*fillLane)
	end, known := m.soundEnd()
	hole := smallHole
	if c := &m.covers[Audio]; c.begun && c.origin == filled {
		hole = 0 // it has begun: silence keeps up with the picture
	}
	if l == nil || made || !known || t-end <= hole || !m.reel.options.FillAudio {
		return
	}
	told := l.track()
	quiet := silence(m.audioOutput(outputOf(shapeOf(told))))
	if difference(shapeOf(told), shapeOf(quiet.out)) != "" {
		return
	}
	quiet.begun, quiet.base = true, max(end, t-maxForward)
	for _, p := range quiet.until(t - quiet.span) {
		m.shown[Audio] = p.PTS
		m.give(Audio, p)
	}
	if l, ok := l.(*codeLane); ok {
		l.SkipBefore(m.shown[Audio] + quiet.span)
	}
}

// soundEnd is where the room's sound ends by now: where the picture began, as
// long as there was none.
func (m *mixer) soundEnd() (end time.Duration, known bool) {
	c, picture := &m.covers[Audio], &m.covers[Video]
	if c.begun {
		return c.at + c.lasts, true
	}
	return m.coverBegin.at, picture.begun
}

// hushBehind fills what lies so far behind a picture at t that nothing comes of
// it any more.
func (m *mixer) hushBehind(t time.Duration) {
	wait := time.Duration(0) // the intake has brought all into order
	switch {
	case m.feed.realtime:
		wait = hushLive
	case m.coding(Audio):
		wait = hushFile
	}
	m.hush(t - wait)
}
