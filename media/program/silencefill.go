package program

import (
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/clock"
)

// A hole in the room's sound is filled with silence, so that no player waits for
// it or gives up.
const (
	// silenceAfterFile and hushLive are by how much sound may lie behind the picture
	// before it is taken for missing: of a file that is re-encoded, what an encoder
	// holds.
	silenceAfterFile = time.Second
	silenceAfterLive = 2 * time.Second
)

// fillSilence fills the room's sound up to t.
func (pg *Program) fillSilence(t time.Duration) {
	l := pg.tracks[media.Audio].output
	_, made := l.(*filledTrack)
	end, known := pg.soundEnd()
	hole := smallHole
	if c := &pg.tracks[media.Audio].coverage; c.begun && c.origin == media.Filled {
		hole = 0 // it has begun: silence keeps up with the picture
	}
	if l == nil || made || !known || t-end <= hole || !pg.Options.FillAudio {
		return
	}
	told := l.track()
	quiet := silence(pg.audioOutput(outputOf(bitstream.ShapeOf(told))))
	if bitstream.Difference(bitstream.ShapeOf(told), bitstream.ShapeOf(quiet.out)) != "" {
		return
	}
	quiet.begun, quiet.base = true, max(end, t-clock.MaxForward)
	for _, p := range quiet.until(t - quiet.span) {
		pg.tracks[media.Audio].shown = p.PTS
		pg.give(media.Audio, p)
	}
	if l, ok := l.(*encodedTrack); ok {
		l.SkipBefore(pg.tracks[media.Audio].shown + quiet.span)
	}
}

// soundEnd is where the room's sound ends by now: where the picture began, as
// long as there was none.
func (pg *Program) soundEnd() (end time.Duration, known bool) {
	c, picture := &pg.tracks[media.Audio].coverage, &pg.tracks[media.Video].coverage
	if c.begun {
		return c.at + c.lasts, true
	}
	return pg.coverBegin.at, picture.begun
}

// fillSilenceBehind fills what lies so far behind a picture at t that nothing comes of
// it any more.
func (pg *Program) fillSilenceBehind(t time.Duration) {
	wait := time.Duration(0) // the aligner has brought all into order
	switch {
	case pg.input.Realtime:
		wait = silenceAfterLive
	case pg.coding(media.Audio):
		wait = silenceAfterFile
	}
	pg.fillSilence(t - wait)
}
