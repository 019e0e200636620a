package media

import "time"

const (
	// stillTime is how long a picture stands before it is sent once more: who joins
	// waits for a keyframe, and these come with pictures.
	stillTime = time.Second
	// longestStand is for how long a picture may stand that is not sent again.
	longestStand = stillTime + 100*time.Millisecond
	// mostStand is how long a picture may stand because its container says so.
	mostStand = time.Hour
)

// standsLong says whether p is a picture that is to be shown for longer than one may
// stand.
func standsLong(p Packet) bool { return p.Duration > longestStand && p.Duration <= mostStand }

// forever is longer than any push.
const forever = 1 << 62 * time.Nanosecond
