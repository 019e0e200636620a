package program

import (
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/input"
)

// catchUp decides what is left out of a live playlist because the room was slow, and keeps
// how much that was, in the room's times: they have a gap of it.
type catchUp struct {
	tracks   *roomTracks
	times    *timeline
	commands *commands
	playlist *playlist

	total time.Duration // so far
	last  time.Duration // of total: the last time
	from  time.Duration // room time at which the last time began
	keys  int           // still to come until the one to go on at; 0: nothing is being left out
}

// before returns how much is left out before dts.
func (c *catchUp) before(dts time.Duration) time.Duration {
	if dts < c.from {
		return c.total - c.last
	}
	return c.total
}

func (c *catchUp) leader() (l input.Leader) {
	for i, t := range c.times.input.Info.Tracks {
		if c.tracks.of[t.Type].output != nil && !l.Picture {
			l = input.Leader{Track: i, Picture: t.Type == media.Video}
		}
	}
	return l
}

// leavesOut says whether p, which has come out of the aligner, is left out: of a live
// playlist alone. Once that and what is on its way to the room are more than a live
// source may lag, everything is, up to a keyframe that does not lie beyond: a picture
// that stands for longer would be the price, and a queue that runs dry. Until there is
// such a keyframe all goes on.
func (c *catchUp) leavesOut(p *media.Packet) bool {
	if !c.times.input.Bursty {
		return false
	}
	if c.keys == 0 {
		reach := time.Duration(c.commands.overdue.Load()) - c.total
		if reach+c.playlist.onItsWay() <= input.LiveBehind || c.times.input.LooksAhead() {
			return false
		}
		if c.keys = c.keysWithin(p.DTS, reach); c.keys == 0 {
			return false
		}
		c.last, c.from = 0, p.DTS
		if c.leader().IsKey(p) {
			c.keys++ // it was not counted
		}
	}
	if c.leader().IsKey(p) {
		c.keys--
	}
	if c.keys == 0 {
		c.goOnAt(p)
		return false
	}
	return true
}

// keysWithin returns how many keys stand within reach of media behind room time
// from, in the aligner and the queue.
func (c *catchUp) keysWithin(from, reach time.Duration) (keys int) {
	by, at := c.leader(), from
	c.times.aligner.Each(by.Track, func(p *media.Packet) bool {
		at = max(at, p.DTS)
		if at <= from+reach && by.IsKey(p) {
			keys++
		}
		return at <= from+reach
	})
	if at > from+reach {
		return keys
	}
	return keys + c.times.input.KeysWithin(from+reach-at, by)
}

// goOnAt goes on with p. The output tracks that would fill the gap are taken to its end:
// to be heard, what they fill it with would take the time that was won.
func (c *catchUp) goOnAt(p *media.Packet) {
	c.last = p.DTS - c.from
	c.total += c.last
	c.commands.wantKey.Store(true)
	for kind := range c.tracks.of {
		track := &c.tracks.of[kind]
		track.coverage.late, track.coverage.closed = p.DTS, p.PTS
		track.shown = max(track.shown, p.PTS-clock.Tick)
		track.encoded.makeNothingBefore(p.PTS)
		_ = track.filled.until(p.PTS)
	}
}

// goOn is for another input: nothing of it is being left out yet.
func (c *catchUp) goOn() { c.keys = 0 }
