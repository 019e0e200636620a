package clock

import (
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	// FrameHold is how long a picture stands before it is sent once more: who joins
	// waits for a keyframe, and these come with pictures.
	FrameHold = time.Second
	// LongestStand is for how long a picture may stand that is not sent again.
	LongestStand = FrameHold + 100*time.Millisecond
	// mostStand is how long a picture may stand because its container says so.
	mostStand = time.Hour
)

// StandsLong says whether p is a picture that is to be shown for longer than one may
// stand.
func StandsLong(p *media.Packet) bool { return p.Duration > LongestStand && p.Duration <= mostStand }

// Forever is longer than any push.
const Forever = 1 << 62 * time.Nanosecond
