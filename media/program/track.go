package program

import (
	"time"

	"github.com/roomcast/roomcast/media"
)

// track is one of the room's, and what it is made of.
type track struct {
	output outputTrack // nil: the room has no such track
	// One of these is output; the others are nil.
	copied  *copiedTrack
	encoded *encodedTrack
	filled  *filledTrack

	source   *media.Track  // of the input, as it is now
	shown    time.Duration // room time up to which it was made
	damage   damage
	coverage trackCoverage
}

// outputTrack makes one of the room's tracks of a source's packets, which come with
// the room's times and the source's data.
type outputTrack interface {
	// track describes what the room gets, Extradata in FLV's form.
	track() media.Track
	// put takes a packet and returns what the room gets of it; a *planChange
	// is an error that says the output track cannot go on with it.
	put(p media.Packet) ([]media.Packet, error)
	// flush returns what is still inside.
	flush() ([]media.Packet, error)
	// takeDamaged returns how many packets came to nothing since it was asked
	// last.
	takeDamaged() int64
}

// become makes the track of what o gives from here on.
func (t *track) become(o outputTrack) {
	t.encoded.close()
	if t.copied != nil {
		t.copied.gop.Reset()
	}
	t.output = o
	t.copied, _ = o.(*copiedTrack)
	t.encoded, _ = o.(*encodedTrack)
	t.filled, _ = o.(*filledTrack)
}

// close makes it a track that the room does not have.
func (t *track) close() {
	t.become(nil)
	t.coverage.begun = false
}

// miss notes how much of the source came to nothing; a track that is made up misses none.
func (t *track) miss(d time.Duration) {
	if t.filled == nil {
		t.coverage.miss(d)
	}
}
