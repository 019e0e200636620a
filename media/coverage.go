package media

import (
	"time"
)

// Coverage is of what a track of the room was made, in media time, over all
// attempts of the push. What was lost is neither shown nor heard: there was
// nothing in its place. What is played twice is counted once.
type Coverage struct {
	Taken  time.Duration // from the source
	Held   time.Duration // its last picture, shown again
	Filled time.Duration // silence or black
	Lost   time.Duration
	// Until, in play Play of the source, is the position up to which all that
	// was counted.
	Until time.Duration
	Play  int
}

func (c Coverage) Total() time.Duration { return c.Taken + c.Held + c.Filled + c.Lost }

// Origin is where a packet for the room comes from.
type Origin uint8

const (
	Taken Origin = iota
	Held
	Filled
)

func WordFor(media MediaType) string {
	if media == Video {
		return "picture"
	}
	return "sound"
}

// LostPart is how much of the track was lost, of all.
func (c Coverage) LostPart() float64 {
	if all := c.Total(); all > 0 {
		return float64(c.Lost) / float64(all)
	}
	return 0
}
