package media

import "time"

// take passes on what a lane made, and fills in the other track up to there.
func (m *mixer) take(media MediaType, out []Packet) {
	for _, p := range out {
		if m.beyond(p) {
			continue
		}
		if media == Audio {
			m.hush(p.PTS)
		}
		m.shown[media] = max(m.shown[media], p.PTS)
		m.ends = max(m.ends, p.PTS+m.lasts(media, p))
		if l, ok := m.lanes[1-media].(*fillLane); ok {
			if media == Audio && m.wantKey.CompareAndSwap(true, false) {
				l.restart()
			}
			for _, filled := range l.until(p.DTS) {
				m.give(1-media, filled)
			}
		}
		m.give(media, p)
	}
}

// lasts is how long p is shown or heard: a picture to the end of the part that is to
// be played at most.
func (m *mixer) lasts(media MediaType, p Packet) time.Duration {
	d := min(p.Duration, maxFrame)
	if end := m.feed.ending.at; media == Video && end > 0 {
		d = min(d, end-m.position(p))
	}
	return d
}

// beyond says whether p is shown after the part that is to be played.
func (m *mixer) beyond(p Packet) bool {
	return m.feed.ending.at > 0 && m.position(p) >= m.feed.ending.at
}

// position returns where in the source p is shown. The segments of a live
// playlist may each have a clock of their own: what was shown is counted, from
// where an earlier attempt stood if the playlist is played as a recording.
func (m *mixer) position(p Packet) time.Duration {
	at, elapsed := m.restamp.position(p.PTS)
	if m.feed.segmented() {
		at = elapsed
	}
	at -= m.feed.info.StartTime
	if !m.shifted {
		m.shifted = true
		if off := m.from - at; off.Abs() > maxOff && m.feed.segmented() && !m.feed.live && !m.feed.seeks {
			m.shift = off
		}
	}
	return max(at+m.shift, 0)
}

// elapsed is the position that all that was shown ends at, had the source's clock
// not broken on the way.
func (m *mixer) elapsed() time.Duration { return m.played(m.ends) }

// played is position for who reads it: as if the source's clock had not broken on
// the way.
func (m *mixer) played(room time.Duration) time.Duration {
	if m.feed.segmented() {
		return m.position(Packet{PTS: room})
	}
	_, elapsed := m.restamp.position(room)
	return max(elapsed-m.feed.info.StartTime, 0)
}

// maxOff is by how much the clock of what cannot be sought may differ from where
// it is thought to be.
const maxOff = 30 * time.Second

func (m *mixer) give(media MediaType, p Packet) {
	m.account(media, p)
	m.given, p.Track = true, m.index(media)
	p.position, p.play, p.leftOut = m.position(p), m.reel.plays, m.leap.before(p.DTS)
	p.unclocked = !m.feed.segmented() && !m.feed.live && m.restamp.steppedBack(p.PTS)
	p.Extradata, p.config = nil, m.lanes[media].track().Extradata
	if m.busy() {
		m.weave.push(p)
		return
	}
	m.ready = append(m.ready, p)
}

func (m *mixer) pop() (Packet, bool) {
	if p, ok := m.weave.pop(); ok {
		return p, true
	}
	if len(m.ready) == 0 {
		return Packet{}, false
	}
	p := m.ready[0]
	m.ready[0] = Packet{}
	if m.ready = m.ready[1:]; len(m.ready) == 0 {
		m.ready = nil
	}
	return p, true
}
