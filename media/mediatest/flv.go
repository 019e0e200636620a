package mediatest

import (
	"encoding/binary"
	"time"
)

// FromClock lets the timestamps of an FLV, which begin at 0, begin at another
// time; they have 32 bits of milliseconds (FLV 10.1, E.4.1).
func FromClock(flv []byte, at time.Duration) []byte {
	const header, tag = 9, 11
	for rest := flv[header+4:]; len(rest) >= tag; {
		now := binary.BigEndian.Uint32(rest[4:])>>8 | uint32(rest[7])<<24
		now += uint32(at.Milliseconds())
		rest[4], rest[5], rest[6], rest[7] = byte(now>>16), byte(now>>8), byte(now), byte(now>>24)
		rest = rest[tag+int(binary.BigEndian.Uint32(rest)&0xffffff)+4:]
	}
	return flv
}
