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

func (pg *Program) leader() (l input.Leader) {
	for i, t := range pg.input.Info.Tracks {
		if pg.tracks[t.Type].output != nil && !l.Picture {
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
func (pg *Program) catchesUp(p media.Packet) bool {
	if pg.catchUp.keys == 0 {
		reach := time.Duration(pg.overdue.Load()) - pg.catchUp.total
		if reach+pg.playlist.onItsWay() <= input.LiveBehind || pg.input.LooksAhead() {
			return false
		}
		if pg.catchUp.keys = pg.keysWithin(p.DTS, reach); pg.catchUp.keys == 0 {
			return false
		}
		pg.catchUp.last, pg.catchUp.from = 0, p.DTS
		if pg.leader().IsKey(&p) {
			pg.catchUp.keys++ // it was not counted
		}
	}
	if pg.leader().IsKey(&p) {
		pg.catchUp.keys--
	}
	if pg.catchUp.keys == 0 {
		pg.catchUpAt(p)
		return false
	}
	pg.lose(1)
	return true
}

// keysWithin returns how many keys stand within reach of media behind room time
// from, in the aligner and the queue.
func (pg *Program) keysWithin(from, reach time.Duration) (keys int) {
	by, at := pg.leader(), from
	pg.aligner.Each(by.Track, func(p *media.Packet) bool {
		at = max(at, p.DTS)
		if at <= from+reach && by.IsKey(p) {
			keys++
		}
		return at <= from+reach
	})
	if at > from+reach {
		return keys
	}
	return keys + pg.input.KeysWithin(from+reach-at, by)
}

// catchUpAt goes on with p. The output tracks that would fill the gap are taken to its end:
// to be heard, what they fill it with would take the time that was won.
func (pg *Program) catchUpAt(p media.Packet) {
	pg.catchUp.last = p.DTS - pg.catchUp.from
	pg.catchUp.total += pg.catchUp.last
	pg.Do(ForceKeyframe{})
	pg.coverBegin = coverBegin{}
	for kind := range pg.tracks {
		track := &pg.tracks[kind]
		track.coverage.skip(p.PTS)
		track.shown = max(track.shown, p.PTS-clock.Tick)
		switch l := track.output.(type) {
		case *encodedTrack:
			l.makeNothingBefore(p.PTS)
		case *filledTrack:
			_ = l.until(p.PTS)
		}
	}
}
