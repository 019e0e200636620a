package hostile

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// unit is a part of a file that its format gives a length: a box, an element, a
// page, a packet, a tag.
type unit struct {
	from, to int
	length   int // where the length stands, -1 for none
	bytes    int // how many it has
	little   bool
}

// most is how large a changed file may become.
const most = 4 << 20

// Mutate changes a file as somebody would who knows its format: units are
// repeated, left out, exchanged, put into each other; their lengths and the
// numbers in them become what nobody expects. The same seed makes the same of
// the same file.
func Mutate(file []byte, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, uint64(len(file)))) //nolint:gosec // it is to be repeated
	b := slices.Clone(file)
	for range 1 + r.IntN(6) {
		units := unitsOf(b)
		if len(units) == 0 {
			return b
		}
		b = change(b, units, r)
		b = b[:min(len(b), most)]
	}
	if bytes.HasPrefix(b, []byte("OggS")) {
		for _, u := range unitsOf(b) {
			sumPage(b[u.from:u.to])
		}
	}
	return b
}

// change does one of the changes.
func change(b []byte, units []unit, r *rand.Rand) []byte {
	u, v := units[r.IntN(len(units))], units[r.IntN(len(units))]
	whole := slices.Clone(b[u.from:u.to])
	switch r.IntN(8) {
	case 0: // again and again
		n := 1 << r.IntN(12)
		n = min(n, max(1, (most-len(b))/max(1, len(whole))))
		return slices.Insert(b, u.to, bytes.Repeat(whole, n)...)
	case 1:
		return slices.Delete(b, u.from, u.to)
	case 2: // somewhere else
		return slices.Insert(b, v.from, whole...)
	case 3: // one in the other
		return slices.Insert(b, v.from+min(8, v.to-v.from), whole...)
	case 4, 5:
		if u.length >= 0 {
			setLength(b, u, r)
		}
		return b
	case 6: // a number in it
		if u.to-u.from >= 12 {
			at := u.from + 4 + r.IntN(min(64, u.to-u.from)-8)
			binary.BigEndian.PutUint32(b[at:], number(r))
		}
		return b
	default:
		for range 1 + r.IntN(8) {
			b[u.from+r.IntN(u.to-u.from)] = byte(r.Uint32())
		}
		return b
	}
}

var numbers = []uint32{0, 1, 2, 255, 65535, 65536, 1_000_000, 10_000_000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff}

func number(r *rand.Rand) uint32 { return numbers[r.IntN(len(numbers))] }

func setLength(b []byte, u unit, r *rand.Rand) {
	v := uint64(number(r))
	if r.IntN(2) == 0 { // near the truth
		v = uint64(u.to - u.from + r.IntN(64) - 32)
	}
	for i := range u.bytes {
		shift := 8 * (u.bytes - 1 - i)
		if u.little {
			shift = 8 * i
		}
		b[u.length+i] = byte(v >> shift)
	}
}

// unitsOf finds the units of a file, all levels of them.
func unitsOf(b []byte) []unit {
	switch {
	case len(b) < 16:
		return nil
	case bytes.HasPrefix(b, []byte("FLV")):
		return flvUnits(b)
	case bytes.HasPrefix(b, []byte("RIFF")):
		return chunkUnits(b, 12, len(b), true)
	case bytes.HasPrefix(b, []byte("FORM")):
		return chunkUnits(b, 12, len(b), false)
	case bytes.HasPrefix(b, []byte("OggS")):
		return oggUnits(b)
	case bytes.HasPrefix(b, []byte{0x1a, 0x45, 0xdf, 0xa3}):
		return ebmlUnits(b, 0, len(b), 0)
	case bytes.HasPrefix(b, []byte("#EXTM3U")):
		return lineUnits(b)
	case b[0] == 0x47 && len(b) > tsSize && b[tsSize] == 0x47:
		return equalUnits(b, tsSize)
	case bytes.Contains(b[4:12], []byte("ftyp")), bytes.Contains(b[4:12], []byte("moov")):
		return boxUnits(b, 0, len(b), 0)
	}
	return equalUnits(b, 64)
}

func equalUnits(b []byte, size int) []unit {
	var all []unit
	for at := 0; at < len(b); at += size {
		all = append(all, unit{from: at, to: min(at+size, len(b)), length: -1})
	}
	return all
}

func lineUnits(b []byte) []unit {
	var all []unit
	at := 0
	for line := range bytes.Lines(b) {
		all = append(all, unit{from: at, to: at + len(line), length: -1})
		at += len(line)
	}
	return all
}

func flvUnits(b []byte) []unit {
	var all []unit
	for at := 13; at+15 <= len(b); {
		to := min(at+15+int(binary.BigEndian.Uint32(b[at:])&0xffffff), len(b))
		all = append(all, unit{from: at, to: to, length: at + 1, bytes: 3})
		at = to
	}
	return all
}

func chunkUnits(b []byte, at, end int, little bool) []unit {
	var all []unit
	for at+8 <= end {
		size := binary.BigEndian.Uint32(b[at+4:])
		if little {
			size = binary.LittleEndian.Uint32(b[at+4:])
		}
		to := int(min(int64(at)+8+int64(size)+int64(size%2), int64(end)))
		all = append(all, unit{at, to, at + 4, 4, little})
		if string(b[at:at+4]) == "LIST" && to-at > 12 {
			all = append(all, chunkUnits(b, at+12, to, little)...)
		}
		at = to
	}
	return all
}

func oggUnits(b []byte) []unit {
	var all []unit
	for at := 0; at < len(b); {
		next := bytes.Index(b[at+1:], []byte("OggS"))
		to := len(b)
		if next >= 0 {
			to = at + 1 + next
		}
		all = append(all, unit{from: at, to: to, length: at + min(26, to-at-1), bytes: 1})
		at = to
	}
	return all
}

// sumPage writes a page's checksum.
func sumPage(p []byte) {
	if len(p) > 27 && bytes.HasPrefix(p, []byte("OggS")) {
		copy(p[22:], zeros(4))
		copy(p[22:], le32(oggSum(p)))
	}
}

// parents are the boxes and elements that hold others.
var parents = map[string]int{ // to how many bytes stand before these
	"moov": 0, "trak": 0, "mdia": 0, "minf": 0, "stbl": 0, "edts": 0, "udta": 0, "mvex": 0, "moof": 0, "traf": 0, "dinf": 0,
	"ilst": 0, "meta": 4, "stsd": 8, "dref": 8, "avc1": 78, "mp4a": 28,
}

const deepest = 12

func boxUnits(b []byte, at, end, depth int) []unit {
	var all []unit
	for at+8 <= end && depth < deepest {
		size := int(binary.BigEndian.Uint32(b[at:]))
		if size < 8 {
			size = end - at
		}
		to := min(at+size, end)
		all = append(all, unit{at, to, at, 4, false})
		if skip, ok := parents[string(b[at+4:at+8])]; ok {
			all = append(all, boxUnits(b, at+8+skip, to, depth+1)...)
		}
		at = to
	}
	return all
}

// holders are Matroska's elements that hold others, by their ids.
var holders = map[uint64]bool{
	mkvSegment: true, mkvInfo: true, mkvTracks: true, mkvTrack: true, mkvCluster: true, mkvCues: true, mkvTags: true, mkvTag: true,
	mkvSimpleTag: true, 0x1A45DFA3: true, 0x114D9B74: true, 0x4DBB: true, 0xE0: true, 0xE1: true, 0xBB: true, 0xB7: true, 0xA0: true,
}

func ebmlUnits(b []byte, at, end, depth int) []unit {
	var all []unit
	for at < end && depth < deepest {
		id, idBytes := vint(b[at:end], true)
		size, sizeBytes := vint(b[min(at+idBytes, end):end], false)
		if idBytes == 0 || sizeBytes == 0 {
			break
		}
		begin := at + idBytes + sizeBytes
		to := end
		if size < uint64(end-begin) {
			to = begin + int(size)
		}
		all = append(all, unit{at, to, at + idBytes, sizeBytes, false})
		if holders[id] {
			all = append(all, ebmlUnits(b, begin, to, depth+1)...)
		}
		at = to
	}
	return all
}

// vint is a number of EBML with its marker, or without, and its length.
func vint(b []byte, marker bool) (v uint64, n int) {
	if len(b) == 0 || b[0] == 0 {
		return 0, 0
	}
	for n = 1; b[0]>>(8-n) == 0; n++ { //nolint:revive // it counts
	}
	if n > len(b) {
		return 0, 0
	}
	v = uint64(b[0])
	if !marker {
		v &= 1<<(8-n) - 1
	}
	for _, c := range b[1:n] {
		v = v<<8 | uint64(c)
	}
	return v, n
}
