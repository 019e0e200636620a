package program

import (
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/input"
)

// catchUp is what a program has left out of a live playlist because the room was
// slow, in the room's times: they have a gap of it.
type catchUp struct {
	total time.Duration // so far
	last  time.Duration // of total: the last time
	from  time.Duration // room time at which the last time began
	keys  int           // still to come until the one to go on at; 0: nothing is being left out
}

// before returns how much is left out before dts.
func (l *catchUp) before(dts time.Duration) time.Duration {
	if dts < l.from {
		return l.total - l.last
	}
	return l.total
}

func (m *Program) leader() (l input.Leader) {
	for i, t := range m.input.Info.Tracks {
		if m.tracks[t.Type].output != nil && !l.Picture {
			l = input.Leader{Track: i, Picture: t.Type == media.Video}
		}
	}
	return l
}

// catchesUp says whether p, which has come out of the aligner, is left out. Once
// that and what is on its way to the room are more than a live source may lag,
// everything is, up to a keyframe that does not lie beyond: a picture that stands
// for longer would be the price, and a queue that runs dry. Until there is such a
// keyframe all goes on.
func (m *Program) catchesUp(p media.Packet) bool {
	if m.catchUp.keys == 0 {
		reach := time.Duration(m.overdue.Load()) - m.catchUp.total
		if reach+m.playlist.onItsWay() <= input.LiveBehind || m.input.LooksAhead() {
			return false
		}
		if m.catchUp.keys = m.keysWithin(p.DTS, reach); m.catchUp.keys == 0 {
			return false
		}
		m.catchUp.last, m.catchUp.from = 0, p.DTS
		if m.leader().IsKey(&p) {
			m.catchUp.keys++ // it was not counted
		}
	}
	if m.leader().IsKey(&p) {
		m.catchUp.keys--
	}
	if m.catchUp.keys == 0 {
		m.catchUpAt(p)
		return false
	}
	m.lose(1)
	return true
}

// keysWithin returns how many keys stand within reach of media behind room time
// from, in the aligner and the queue.
func (m *Program) keysWithin(from, reach time.Duration) (keys int) {
	by, at := m.leader(), from
	m.aligner.Each(by.Track, func(p *media.Packet) bool {
		at = max(at, p.DTS)
		if at <= from+reach && by.IsKey(p) {
			keys++
		}
		return at <= from+reach
	})
	if at > from+reach {
		return keys
	}
	return keys + m.input.KeysWithin(from+reach-at, by)
}

// catchUpAt goes on with p. The output tracks that would fill the gap are taken to its end:
// to be heard, what they fill it with would take the time that was won.
func (m *Program) catchUpAt(p media.Packet) {
	m.catchUp.last = p.DTS - m.catchUp.from
	m.catchUp.total += m.catchUp.last
	m.Do(ForceKeyframe{})
	m.coverBegin = coverBegin{}
	for kind := range m.tracks {
		track := &m.tracks[kind]
		track.coverage.skip(p.PTS)
		track.shown = max(track.shown, p.PTS-clock.Tick)
		switch l := track.output.(type) {
		case *encodedTrack:
			if media.MediaType(kind) == media.Audio {
				l.SkipBefore(p.PTS)
			} else {
				l.hold.from = p.PTS
			}
		case *filledTrack:
			_ = l.until(p.PTS)
		}
	}
}
