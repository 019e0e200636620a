package mp4

import (
	"encoding/binary"
	"math"
	"runtime"
)

// Cursor goes from sample to sample of a track, in the order of their DTS. It is a few
// steps in tables for each.
type Cursor struct {
	track *Track
	next  int // number of the next sample

	chunk, inChunk int // number of the next chunk; samples that are left in this one
	perChunk       int
	runs           []byte // of stsc, that are still to come
	offset         int64

	dts         int64
	step, shift run
	keys        []byte // that are still to come
}

// run is a table of how many samples have which value.
type run struct {
	rest  []byte // behind this one
	left  int
	value int64
}

// take returns the next sample's value, false behind the last one, and from a run of no
// samples on, which libav never leaves.
func (r *run) take() (int64, bool) {
	if r.left == 0 {
		if len(r.rest) == 0 {
			return 0, false
		}
		r.left, r.value = int(binary.BigEndian.Uint32(r.rest)), int64(int32(binary.BigEndian.Uint32(r.rest[4:])))
		r.rest = r.rest[8:]
	}
	r.left--
	return r.value, r.left >= 0
}

// Begin returns a cursor before the first sample.
func (t *Track) Begin() Cursor {
	return Cursor{track: t, runs: t.samples, step: run{rest: t.steps}, shift: run{rest: t.shifts}, keys: t.keys}
}

// Find returns a cursor before the sample that begins at an offset, false when there is none.
func (t *Track) Find(offset int64) (Cursor, bool) {
	for c := t.Begin(); ; {
		at := c
		s, ok := c.Next()
		if !ok || s.Offset == offset {
			return at, ok
		}
	}
}

// Next returns the next sample, false behind the last one.
func (c *Cursor) Next() (Sample, bool) {
	t := c.track
	if c.next >= t.count || !c.enterChunk() {
		return Sample{}, false
	}
	s := Sample{Offset: c.offset, Size: int(binary.BigEndian.Uint32(t.sizes[4*c.next:])), DTS: c.dts, Keyframe: t.allKeys}
	c.next++
	c.inChunk--
	c.offset += int64(s.Size)
	var timed, shifted bool
	s.Duration, timed = c.step.take()
	if s.Shift, shifted = c.shift.take(); len(t.shifts) == 0 {
		shifted = true
	}
	c.dts += s.Duration
	if len(c.keys) > 0 && int(binary.BigEndian.Uint32(c.keys)) == c.next {
		s.Keyframe, c.keys = true, c.keys[4:]
	}
	return s, timed && shifted
}

// enterChunk finds where the next chunk begins, where this one is over.
func (c *Cursor) enterChunk() bool {
	if c.inChunk > 0 {
		return true
	}
	if len(c.runs) > 0 && int(binary.BigEndian.Uint32(c.runs)) == c.chunk+1 {
		c.perChunk, c.runs = int(binary.BigEndian.Uint32(c.runs[4:])), c.runs[12:]
	}
	width := 4
	if c.track.wide {
		width = 8
	}
	if width*(c.chunk+1) > len(c.track.chunks) || c.perChunk == 0 {
		return false
	}
	if entry := c.track.chunks[width*c.chunk:]; c.track.wide {
		c.offset = int64(binary.BigEndian.Uint64(entry))
	} else {
		c.offset = int64(binary.BigEndian.Uint32(entry))
	}
	c.inChunk = c.perChunk
	c.chunk++
	return true
}

// valid says whether the tables belong together, tell of bytes that the file has, and of
// nothing that the edit leaves out behind itself.
func (t *Track) valid(size int64) bool {
	end := int64(math.MaxInt64)
	if length := t.edit.length; length < math.MaxInt64/t.Scale {
		end = t.edit.from + length*t.Scale/t.film
	}
	c := t.Begin()
	for n := range t.count {
		if n%(1<<16) == 0 {
			runtime.Gosched() // others go first
		}
		s, ok := c.Next()
		switch {
		case !ok, s.Size <= 0 || s.Size > mostSample, s.Offset < 0 || s.Offset > size-int64(s.Size):
			return false
		case s.Duration < 0 || s.Duration > mostDelta || s.Duration == 0 && n < t.count-1, s.Shift < -mostDelta || s.Shift > mostDelta:
			return false
		case s.DTS+s.Shift >= end:
			return false
		}
	}
	return t.count > 0 && len(c.keys) == 0 && len(c.runs) == 0
}
