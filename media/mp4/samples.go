package mp4

import (
	"encoding/binary"
	"math/bits"
	"runtime"
	"slices"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/offheap"
)

// Track is one of a file's tracks. Its times are in units of 1/Scale s, from the
// begin of its media: no edit has moved them.
type Track struct {
	Type  media.MediaType
	Scale int64

	file  *samples
	paces []pace // the first of its samples', that are the same of many
}

// Sample is one coded frame.
type Sample struct {
	Offset        int64 // of its first byte in the file
	Size          int   // bytes
	DTS, Duration int64 // in units of the Track's scale
	Shift         int64 // PTS - DTS, the same way
	Keyframe      bool
}

// samples are those of a file. They stand in the order in which the file has them, as far as
// each track goes on in it: of most, size and track are all that is to be told. So they take
// two to five bytes each, where tables take up to twenty.
type samples struct {
	tracks []*Track
	bits   int      // of a track's number
	blocks [][]byte // no sample is in two
}

// A sample begins with a uvarint: its track's number in the lowest bits, these above it, and
// its size in bytes above them.
const (
	isKey   = 1 << iota
	isPaced // a pace follows: it is not that of the track's sample before
	isMoved // a varint follows: how far behind the end of the sample before it begins
	sizeBit = iota
)

const (
	blockBytes = 64 << 10
	// mostPaces is how many paces of a track have a number, from 1 on. Others have 0, behind
	// which two varints follow.
	mostPaces = 100
	// longestEntry is how many bytes a sample has at most.
	longestEntry = 5*binary.MaxVarintLen64 + 1
)

// pace is how long a sample lasts, and its PTS - DTS, in units of its track.
type pace struct{ duration, shift int64 }

// pack makes the tracks of tables that are plain, in memory.
func pack(all []*tables, size int64, memory *offheap.Memory) ([]*Track, error) {
	f := &samples{bits: bits.Len(uint(len(all) - 1))}
	walks := make([]walk, len(all))
	ends, paces := make([]int64, len(all)), make([]pace, len(all))
	for i, t := range all {
		t.file = f
		f.tracks = append(f.tracks, t.Track)
		walks[i], ends[i] = t.begin(), t.end()
	}
	left := make([]int, 0, len(all)) // tracks
	next := func(i int) bool { return walks[i].take() && walks[i].plain(size, ends[i]) }
	for i := range all {
		if !next(i) {
			return nil, ErrNotPlain
		}
		left = append(left, i)
	}
	end := int64(0) // of the sample before
	for n := 0; len(left) > 0; n++ {
		if n%(1<<16) == 0 {
			runtime.Gosched() // others go first
		}
		if len(f.blocks) > mostTables/blockBytes { // only what jumps about takes more than its tables
			return nil, ErrNotPlain
		}
		i := slices.MinFunc(left, func(a, b int) int { return int(walks[a].next.Offset - walks[b].next.Offset) })
		s := walks[i].next
		f.add(i, s, end, &paces[i], memory)
		end = s.Offset + int64(s.Size)
		switch {
		case walks[i].over():
			left = slices.DeleteFunc(left, func(one int) bool { return one == i })
		case !next(i):
			return nil, ErrNotPlain
		}
	}
	return f.tracks, nil
}

// add adds a sample of a track, behind one that ends at an offset; before is the pace of the
// track's last one.
func (f *samples) add(track int, s Sample, end int64, before *pace, memory *offheap.Memory) {
	head := uint64(s.Size) << sizeBit
	if s.Keyframe {
		head |= isKey
	}
	p := pace{s.Duration, s.Shift}
	if p != *before {
		head |= isPaced
	}
	if s.Offset != end {
		head |= isMoved
	}
	last := len(f.blocks) - 1
	if last < 0 || cap(f.blocks[last])-len(f.blocks[last]) < longestEntry {
		f.blocks = append(f.blocks, memory.Take(blockBytes)[:0])
		last++
	}
	b := binary.AppendUvarint(f.blocks[last], head<<f.bits|uint64(track))
	if p != *before {
		b = f.tracks[track].appendPace(b, p)
		*before = p
	}
	if s.Offset != end {
		b = binary.AppendVarint(b, s.Offset-end)
	}
	f.blocks[last] = b
}

func (t *Track) appendPace(b []byte, p pace) []byte {
	i := slices.Index(t.paces, p)
	if i < 0 && len(t.paces) < mostPaces {
		i, t.paces = len(t.paces), append(t.paces, p)
	}
	b = binary.AppendUvarint(b, uint64(i+1))
	if i < 0 {
		b = binary.AppendVarint(binary.AppendVarint(b, p.duration), p.shift)
	}
	return b
}

// Cursor goes from sample to sample of a track, in the order of their DTS. It is a step for
// each sample of all tracks on the way.
type Cursor struct {
	track *Track
	block int    // number of the next one
	rest  []byte // of the block before
	end   int64  // of the sample before
	dts   int64
	pace  pace
}

// Begin returns a cursor before the first sample.
func (t *Track) Begin() Cursor { return Cursor{track: t} }

// Find returns the track of those of a file that has a sample which begins at an offset, and a
// cursor before it; nil when none has.
func Find(tracks []*Track, offset int64) (*Track, Cursor) {
	all := Cursor{}
	s, of := all.next(tracks[0].file)
	for of != nil && s.Offset != offset {
		s, of = all.next(tracks[0].file)
	}
	if of == nil {
		return nil, Cursor{}
	}
	for c := of.Begin(); ; {
		at := c
		if s, _ := c.Next(); s.Offset == offset {
			return of, at
		}
	}
}

// Next returns the next sample, false behind the last one.
func (c *Cursor) Next() (Sample, bool) {
	s, of := c.next(c.track.file)
	return s, of != nil
}

// next returns the next sample of the cursor's track, or where that is nil of any, and whose it
// is, nil behind the last one.
func (c *Cursor) next(f *samples) (Sample, *Track) {
	for {
		if len(c.rest) == 0 {
			if c.block == len(f.blocks) {
				return Sample{}, nil
			}
			c.rest = f.blocks[c.block]
			c.block++
		}
		head := c.uvarint()
		track := f.tracks[head&(1<<f.bits-1)]
		head >>= f.bits
		var p pace
		if head&isPaced != 0 {
			p = c.takePace(track)
		}
		if head&isMoved != 0 {
			c.end += c.varint()
		}
		s := Sample{Offset: c.end, Size: int(head >> sizeBit), DTS: c.dts, Keyframe: head&isKey != 0}
		c.end += int64(s.Size)
		if c.track != nil && track != c.track {
			continue
		}
		if head&isPaced != 0 {
			c.pace = p
		}
		s.Duration, s.Shift = c.pace.duration, c.pace.shift
		c.dts += s.Duration
		return s, track
	}
}

func (c *Cursor) takePace(of *Track) pace {
	if i := c.uvarint(); i > 0 {
		return of.paces[i-1]
	}
	return pace{c.varint(), c.varint()}
}

func (c *Cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.rest)
	c.rest = c.rest[n:]
	return v
}

func (c *Cursor) varint() int64 {
	v, n := binary.Varint(c.rest)
	c.rest = c.rest[n:]
	return v
}
