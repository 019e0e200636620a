package media

import "time"

// leap is what a mixer has left out of a live playlist because the room was
// slow, in the room's times: they have a gap of it.
type leap struct {
	total time.Duration // so far
	last  time.Duration // of total: the last time
	from  time.Duration // room time at which the last time began
	keys  int           // still to come until the one to go on at; 0: nothing is being left out
}

// before returns how much is left out before dts.
func (l *leap) before(dts time.Duration) time.Duration {
	if dts < l.from {
		return l.total - l.last
	}
	return l.total
}

func (m *mixer) leader() (l leader) {
	for i, t := range m.feed.info.Tracks {
		if m.lanes[t.Type] != nil && !l.picture {
			l = leader{track: i, picture: t.Type == Video}
		}
	}
	return l
}

// leaveOut says how much of a live playlist is wanted left out, in all since
// the mixer was made. It may be called beside the other methods.
func (m *mixer) leaveOut(total time.Duration) { m.overdue.Store(int64(total)) }

// leaps says whether p, which has come out of the intake, is left out. Once
// that and what is on its way to the room are more than a live source may lag,
// everything is, up to a keyframe that does not lie beyond: a picture that stands
// for longer would be the price, and a queue that runs dry. Until there is such a
// keyframe all goes on.
func (m *mixer) leaps(p Packet) bool {
	if m.leap.keys == 0 {
		reach := time.Duration(m.overdue.Load()) - m.leap.total
		if reach+m.reel.onItsWay() <= liveBehind || len(m.feed.held) > 0 {
			return false
		}
		if m.leap.keys = m.keysWithin(p.DTS, reach); m.leap.keys == 0 {
			return false
		}
		m.leap.last, m.leap.from = 0, p.DTS
		if m.leader().isKey(&p) {
			m.leap.keys++ // it was not counted
		}
	}
	if m.leader().isKey(&p) {
		m.leap.keys--
	}
	if m.leap.keys == 0 {
		m.land(p)
		return false
	}
	m.lose(1)
	return true
}

// keysWithin returns how many keys stand within reach of media behind room time
// from, in the intake and the queue.
func (m *mixer) keysWithin(from, reach time.Duration) (keys int) {
	by, at := m.leader(), from
	l := &m.intake.lanes[by.track]
	for i := range l.n {
		p := &l.ring[(l.head+i)%len(l.ring)]
		if at = max(at, p.DTS); at > from+reach {
			return keys
		}
		if by.isKey(p) {
			keys++
		}
	}
	return keys + m.feed.queue.keysWithin(from+reach-at, by)
}

// land goes on with p. The lanes that would fill the gap are taken to its end:
// to be heard, what they fill it with would take the time that was won.
func (m *mixer) land(p Packet) {
	m.leap.last = p.DTS - m.leap.from
	m.leap.total += m.leap.last
	m.startWithKey()
	m.coverBegin = coverBegin{}
	for media, l := range m.lanes {
		m.covers[media].skip(p.PTS)
		m.shown[media] = max(m.shown[media], p.PTS-tick)
		switch l := l.(type) {
		case *codeLane:
			if MediaType(media) == Audio {
				l.SkipBefore(p.PTS)
			} else {
				l.still.from = p.PTS
			}
		case *fillLane:
			_ = l.until(p.PTS)
		}
	}
}
