package mp4

import (
	"encoding/binary"
	"math"
)

// tables are a track as its file tells of it.
type tables struct {
	*Track

	count   int
	sizes   []byte // stsz: of each sample
	chunks  []byte // stco or co64: where each begins
	wide    bool   // co64
	samples []byte // stsc: how many are in a chunk, from which on
	steps   []byte // stts: how many have which duration
	shifts  []byte // ctts: how many have which distance from DTS to PTS; empty: 0
	keys    []byte // stss: numbers of the keyframes
	allKeys bool   // there is no such table

	edit struct{ from, length int64 } // of the media, in units of the media and the film
	film int64                        // units in a second of the film
}

// walk goes from sample to sample of tables, in the order of their DTS.
type walk struct {
	of    *tables
	next  Sample // that was taken
	taken int    // samples

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

func (t *tables) begin() walk {
	return walk{of: t, runs: t.samples, step: run{rest: t.steps}, shift: run{rest: t.shifts}, keys: t.keys}
}

// take takes the next sample. False says that there is none, or that the tables do not
// belong together.
func (w *walk) take() bool {
	t := w.of
	if w.taken >= t.count || !w.enterChunk() {
		return false
	}
	s := Sample{Offset: w.offset, Size: int(binary.BigEndian.Uint32(t.sizes[4*w.taken:])), DTS: w.dts, Keyframe: t.allKeys}
	w.taken++
	w.inChunk--
	w.offset += int64(s.Size)
	var timed, shifted bool
	s.Duration, timed = w.step.take()
	if s.Shift, shifted = w.shift.take(); len(t.shifts) == 0 {
		shifted = true
	}
	w.dts += s.Duration
	if len(w.keys) > 0 && int(binary.BigEndian.Uint32(w.keys)) == w.taken {
		s.Keyframe, w.keys = true, w.keys[4:]
	}
	w.next = s
	return timed && shifted
}

// enterChunk finds where the next chunk begins, where this one is over.
func (w *walk) enterChunk() bool {
	if w.inChunk > 0 {
		return true
	}
	t, width := w.of, 4
	if t.wide {
		width = 8
	}
	if len(w.runs) > 0 && int(binary.BigEndian.Uint32(w.runs)) == w.chunk+1 {
		w.perChunk, w.runs = int(binary.BigEndian.Uint32(w.runs[4:])), w.runs[12:]
	}
	if width*(w.chunk+1) > len(t.chunks) || w.perChunk == 0 {
		return false
	}
	if entry := t.chunks[width*w.chunk:]; t.wide {
		w.offset = int64(binary.BigEndian.Uint64(entry))
	} else {
		w.offset = int64(binary.BigEndian.Uint32(entry))
	}
	w.inChunk = w.perChunk
	w.chunk++
	return true
}

// over says whether all samples have been taken, and all that the tables tell of them.
func (w *walk) over() bool {
	return w.taken > 0 && w.taken == w.of.count && len(w.keys) == 0 && len(w.runs) == 0
}

// end is where the edit ends, in the media's units.
func (t *tables) end() int64 {
	if t.edit.length >= math.MaxInt64/t.Scale {
		return math.MaxInt64
	}
	return t.edit.from + t.edit.length*t.Scale/t.film
}

// plain says whether the sample that was taken is of bytes that a file of so many has, at a
// time that libav leaves alone, and not behind the edit.
func (w *walk) plain(size, end int64) bool {
	s, last := &w.next, w.taken == w.of.count
	return s.Size > 0 && s.Size <= mostSample && s.Offset >= 0 && s.Offset <= size-int64(s.Size) &&
		s.Duration >= 0 && s.Duration <= mostDelta && (s.Duration > 0 || last) && s.Shift >= -mostDelta && s.Shift <= mostDelta &&
		s.DTS+s.Shift < end
}
