package hls

import (
	"bufio"
	"encoding/binary"
	"io"
	"time"
)

// Packed audio (RFC 8216, section 3.4) has its clock in an ID3 tag in front: a PRIV
// frame of 33 bits of 1/90000 s.
const (
	clockOwner = "com.apple.streaming.transportStreamTimestamp"
	mostTag    = 256 << 10
	tagHeader  = 10
)

// passTag reads over the ID3 tags that body begins with, and returns the clock that
// one tells, if any does.
func passTag(body *bufio.Reader) (at time.Duration, told bool) {
	for {
		head, err := body.Peek(tagHeader)
		if err != nil || string(head[:3]) != "ID3" {
			return at, told
		}
		size := synchsafe(head[6:10])
		if size > mostTag {
			return at, told
		}
		tag := make([]byte, tagHeader+size)
		if _, err := io.ReadFull(body, tag); err != nil {
			return at, told
		}
		if t, ok := clockIn(tag[tagHeader:]); ok {
			at, told = t, true
		}
	}
}

func synchsafe(b []byte) int {
	return int(b[0]&0x7f)<<21 | int(b[1]&0x7f)<<14 | int(b[2]&0x7f)<<7 | int(b[3]&0x7f)
}

// clockIn looks through a tag's frames (ID3v2.4, 4).
func clockIn(frames []byte) (time.Duration, bool) {
	for len(frames) >= tagHeader {
		size := synchsafe(frames[4:8])
		if size > len(frames)-tagHeader {
			return 0, false
		}
		body := frames[tagHeader : tagHeader+size]
		if owner := clockOwner + "\x00"; string(frames[:4]) == "PRIV" && len(body) >= len(owner)+8 && string(body[:len(owner)]) == owner {
			ticks := binary.BigEndian.Uint64(body[len(owner):]) & (1<<33 - 1)
			return time.Duration(ticks) * time.Second / 90000, true
		}
		frames = frames[tagHeader+size:]
	}
	return 0, false
}
