package media

import "time"

// Progress is a snapshot of a running attempt.
type Progress struct {
	Position       time.Duration // media time of the source
	Duration       time.Duration // 0 when unknown
	Bitrate        BitsPerSecond // sent to the room, over the last seconds
	FPS            float64       // video frames sent per second, over the last seconds
	SentBytes      int64
	DroppedPackets int64
	Reconnects     int64
	LatenessP99    time.Duration // how late packets left, over the last seconds
	Loop           int           // how many plays of the source are over
	Played         time.Duration // time in the room, all attempts together
	UpdatedAt      time.Time
}
