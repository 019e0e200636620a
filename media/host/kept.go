package host

import (
	"encoding/binary"
	"math/bits"
	"strings"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mp4"
)

const (
	// mostKept bounds what is kept of a source whose bytes cannot be read again.
	mostKept = 4 << 20
	// mostHead is how much of that may be its begin.
	mostHead = 1 << 20
	// leastCut is what is left out of it at once: of sound, each packet is a keyframe.
	leastCut = 64 << 10
)

// kept is what another host is given first of a source whose bytes cannot be read
// again: their begin, which tells what it is, and what has come since the last
// keyframe. All positions are those of the present host's bytes.
type kept struct {
	container string
	probed    int64 // bytes that had been read when it was known what it is; 0: it is not yet
	head      []byte
	edge      int64  // where the head is to end
	tail      []byte // what came after it
	from      int64  // position of the tail
	key       bool   // the tail begins with all that the next picture needs
	off       bool   // nothing is kept
	last      [2]int64
}

// add takes what has been read.
func (k *kept) add(data []byte) {
	if k.off {
		return
	}
	k.tail = append(k.tail, data...)
	fits := func() bool { return len(k.head)+len(k.tail) <= mostKept }
	if fits() {
		return
	}
	if k.probed == 0 || k.head == nil && !k.behead() || !k.cut(k.from+int64(len(k.tail)/2)) || !fits() {
		k.stop()
	}
	k.key = false
}

func (k *kept) stop() { *k = kept{off: true} }

// opened notes that a host knows what the source is.
func (k *kept) opened(container string) {
	if k.probed == 0 {
		k.container, k.probed, k.key = container, k.from+int64(len(k.tail)), true
	}
}

// came notes a packet that has come, of a source with these tracks.
func (k *kept) came(p media.Packet, tracks []media.Track) {
	if k.off || p.Offset <= 0 || p.Track >= len(tracks) || p.Track >= len(k.last) {
		return
	}
	k.last[p.Track] = p.Offset
	if k.head == nil && p.Offset <= min(k.probed, mostHead) {
		k.edge = max(k.edge, p.Offset)
	}
	if !p.Keyframe || len(tracks) > 1 && tracks[p.Track].Type != media.Video {
		return
	}
	at := p.Offset
	if other := k.last[1-p.Track]; other > 0 {
		at = min(at, other)
	}
	if at < k.probed && k.head == nil || k.key && at-k.from < leastCut || k.head == nil && !k.behead() {
		return
	}
	k.key = k.cut(at) || k.key && at < k.from
}

// behead makes the head of what is kept.
func (k *kept) behead() bool {
	edge, ok := k.floor(k.edge)
	if ok && edge > 0 {
		k.head = append([]byte{}, k.tail[:edge-k.from]...)
	}
	return k.head != nil
}

// cut leaves out what is before the unit that holds a position.
func (k *kept) cut(at int64) bool {
	at, ok := k.floor(at)
	if ok {
		k.tail = append(k.tail[:0], k.tail[at-k.from:]...)
		k.from = at
	}
	return ok
}

// floor returns where the unit begins that holds a position: what a demuxer can begin
// with behind the head. The tail begins with one.
func (k *kept) floor(at int64) (int64, bool) {
	if at < k.from || at > k.from+int64(len(k.tail)) {
		return 0, false
	}
	switch {
	case k.container == "mpegts":
		return at - (at-k.from)%tsPacket, true
	case strings.HasSuffix(k.container, "flv"):
		return k.walk(at, tag)
	case strings.HasPrefix(k.container, "mov"):
		return k.walk(at, box)
	case strings.HasPrefix(k.container, "matroska"):
		return k.walk(at, element)
	}
	return 0, false
}

// tsPacket is the length of a packet (ISO/IEC 13818-1, 2.4.3.2).
const tsPacket = 188

// walk goes from unit to unit. unit returns how long the one at the begin of data is,
// 0 when that cannot be told, and whether a demuxer can begin with it.
func (k *kept) walk(at int64, unit func(data []byte, position int64) (size int64, begins bool)) (int64, bool) {
	found := k.from
	for here := k.from; ; {
		size, begins := unit(k.tail[here-k.from:], here)
		if begins {
			found = here
		}
		if size <= 0 {
			return found, here+minUnit > at // it has not come yet
		}
		if size > at-here {
			return found, true
		}
		here += size
	}
}

// minUnit is what a unit's length is told in, at most.
const minUnit = 16

// tag is FLV's (Adobe Flash Video File Format 10.1, E.3 and E.4.1), or its header.
func tag(data []byte, position int64) (int64, bool) {
	const header, previous = 11, 4
	switch {
	case position == 0 && len(data) >= 9:
		return int64(binary.BigEndian.Uint32(data[5:])) + previous, true
	case position > 0 && len(data) >= header:
		return header + int64(binary.BigEndian.Uint32(data)&0xffffff) + previous, true
	}
	return 0, true
}

// box is one of ISO/IEC 14496-12 (4.2). A demuxer can begin with a fragment.
func box(data []byte, _ int64) (int64, bool) {
	if len(data) < minUnit {
		return 0, false
	}
	kind, size, _ := mp4.Header(data) // one below 0 is none
	return size, kind == "moof"
}

// element is one of EBML (RFC 8794, 4 to 6). Of Matroska's (RFC 9559, 5.1) the Segment holds
// all others, and a demuxer can begin with a Cluster.
func element(data []byte, _ int64) (int64, bool) {
	const segment, cluster, unknown = 0x18538067, 0x1f43b675, 1<<56 - 1
	if len(data) < minUnit || data[0] == 0 {
		return 0, false
	}
	idLength := bits.LeadingZeros8(data[0]) + 1
	id := binary.BigEndian.Uint32(data) >> (32 - 8*min(idLength, 4))
	data = data[idLength:]
	sizeLength := bits.LeadingZeros8(data[0]) + 1
	if sizeLength > 8 {
		return 0, false
	}
	header := int64(idLength + sizeLength)
	size := int64(binary.BigEndian.Uint64(data) >> (64 - 8*sizeLength) & (1<<(7*sizeLength) - 1))
	switch {
	case id == segment:
		return header, false
	case size == unknown: // of a live stream; where it ends is not told
		return 0, id == cluster
	}
	return header + size, id == cluster
}

// suffices says whether another host can begin with what is kept.
func (k *kept) suffices() bool { return !k.off && (k.probed == 0 || k.key) }

// again returns the bytes that another host is to be given first; they are kept on. They
// must suffice.
func (k *kept) again() []byte {
	all := append(append([]byte{}, k.head...), k.tail...)
	k.from, k.last = int64(len(k.head)), [2]int64{}
	return all
}
