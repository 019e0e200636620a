// Package mp4 reads where the samples of an mp4 stand, and when they are: its sample
// tables (ISO/IEC 14496-12, 8.6 and 8.7). It reads them of plain files alone: what
// has fragments, several sample descriptions or edits is left to libav.
package mp4

import (
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/offheap"
)

// ErrNotPlain says that a file is none, or has more to it than sample tables.
var ErrNotPlain = errors.New("not a plain mp4")

const (
	// mostTables bounds what is read of all tables: those of twelve hours at 60 pictures
	// a second take 25 MB.
	mostTables = 32 << 20
	mostTracks = 16
	// mostSample bounds a sample, mostDelta a time in a table, in its units: what is
	// larger is an error that libav has its own ways with.
	mostSample = 8 << 20
	mostDelta  = 1 << 28
)

// Read returns the tracks of pictures and sound of a file of so many bytes, of which
// r need not have more than its boxes but for mdat. All else, and what r has not, is ErrNotPlain.
// The samples are kept in memory, and read from there as long as a Track or a Cursor is used.
func Read(r io.ReaderAt, size int64, memory *offheap.Memory) ([]*Track, error) {
	f := &file{r: r, size: size}
	defer f.memory.Free()
	f.each(0, size, func(b box) {
		if b.kind == "moov" && f.tracks == nil {
			f.movie(b)
		}
	})
	if f.failed || len(f.tracks) == 0 {
		return nil, ErrNotPlain
	}
	return pack(f.tracks, size, memory)
}

// file is a file that is read. What is not plain fails it for good.
type file struct {
	r      io.ReaderAt
	size   int64
	memory offheap.Memory // of the tables
	failed bool
	taken  int // bytes of tables
	tracks []*tables
}

func (f *file) plain(is bool) { f.failed = f.failed || !is }

// box is one of ISO/IEC 14496-12, 4.2: what is in it is between two positions.
type box struct {
	kind     string
	from, to int64
}

// A box begins with its length and its kind, and where that is 1 with a long length (4.2).
const (
	shortHeader = 8
	longHeader  = 16
)

// Header returns the kind of the box that data, of 8 bytes at least, begins with, and how many
// bytes it and its header have: a size of 0 reaches to the end of what it is in, one that is
// less than the header is none.
func Header(data []byte) (kind string, size, header int64) {
	kind, size = string(data[4:8]), int64(binary.BigEndian.Uint32(data))
	if size == 1 && len(data) >= longHeader {
		return kind, int64(binary.BigEndian.Uint64(data[8:])), longHeader
	}
	return kind, size, shortHeader
}

// each calls do for each box between two positions.
func (f *file) each(from, to int64, do func(box)) {
	for at := from; !f.failed && to-at >= shortHeader; {
		begin := make([]byte, min(longHeader, to-at))
		if _, err := f.r.ReadAt(begin, at); err != nil {
			f.failed = true
			return
		}
		kind, size, header := Header(begin)
		if size == 0 {
			size = to - at
		}
		if size < header || size > to-at {
			f.failed = true
			return
		}
		do(box{kind, at + header, at + size})
		at += size
	}
}

// bytes returns what is in a box, which is to have so many at least.
func (f *file) bytes(b box, least int) []byte {
	n := b.to - b.from
	if f.taken += int(min(n, mostTables)); f.failed || n < int64(least) || n > mostTables || f.taken > mostTables {
		f.failed = true
		return make([]byte, least)
	}
	data := f.memory.Take(int(n))
	_, err := f.r.ReadAt(data, b.from)
	f.plain(err == nil)
	return data
}

// full is the length of what begins a full box (4.2): version and flags.
const full = 4

// table returns the entries of a box that says how many it has.
func (f *file) table(b box, entry int) []byte {
	const count = 4
	data := f.bytes(b, full+count)
	n := int64(binary.BigEndian.Uint32(data[full:]))
	data = data[full+count:]
	if n > int64(len(data)/entry) {
		f.failed = true
		return nil
	}
	return data[:int(n)*entry]
}

// times returns what mvhd and mdhd begin with: the units of a second.
func (f *file) times(b box) int64 {
	data, at := f.bytes(b, 24), full+8
	if data[0] == 1 {
		at = full + 16
	}
	scale := int64(binary.BigEndian.Uint32(data[at:]))
	f.plain(scale > 0)
	return scale
}

func (f *file) movie(moov box) {
	film := int64(0)
	f.each(moov.from, moov.to, func(b box) {
		switch b.kind {
		case "mvhd":
			film = f.times(b)
		case "trak":
			if t := f.track(b, film); t != nil {
				f.tracks = append(f.tracks, t)
			}
			f.plain(len(f.tracks) <= mostTracks)
		case "mvex", "cmov":
			f.failed = true
		}
	})
}

// track reads a track, nil when it is neither a picture nor a sound, or not plain itself.
func (f *file) track(trak box, film int64) *tables {
	t := &tables{Track: &Track{}, allKeys: true, film: film}
	of, odd := "", film == 0
	t.edit.length = math.MaxInt64
	inside := map[string]bool{"mdia": true, "minf": true, "stbl": true, "edts": true}
	var read func(b box)
	read = func(b box) {
		switch b.kind {
		case "mdhd":
			t.Scale = f.times(b)
		case "hdlr":
			of = cmp.Or(of, string(f.bytes(b, full+8)[full+4:full+8])) // QuickTime has one of the data, too
		case "elst":
			odd = !f.edits(b, t) || odd
		case "stsd":
			entries := f.bytes(b, full+12)
			odd = binary.BigEndian.Uint32(entries[full:]) != 1 || !slices.Contains(codings, string(entries[full+8:full+12])) || odd
		case "stts":
			t.steps = f.table(b, 8)
		case "ctts":
			t.shifts = f.table(b, 8)
		case "stsc":
			t.samples = f.table(b, 12)
		case "stco":
			t.chunks = f.table(b, 4)
		case "co64":
			t.chunks, t.wide = f.table(b, 8), true
		case "stsz":
			data := f.bytes(b, full+8)
			t.count = int(binary.BigEndian.Uint32(data[full+4:]))
			t.sizes = data[full+8:]
			odd = binary.BigEndian.Uint32(data[full:]) != 0 || len(t.sizes)/4 < t.count || odd
		case "stss":
			t.keys, t.allKeys = f.table(b, 4), false
			odd = len(t.keys) == 0 || odd // the pictures themselves have to tell
		case "sbgp", "sgpd": // of sound ffmpeg says so how many samples a decoder begins with
			odd = string(f.bytes(b, full+4)[full:full+4]) != "roll" || odd
		case "stz2", "stps", "senc", "saiz":
			odd = true
		default:
			if inside[b.kind] {
				f.each(b.from, b.to, read)
			}
		}
	}
	f.each(trak.from, trak.to, read)
	switch {
	case of == "vide":
		t.Type = media.Video
	case of == "soun":
		t.Type = media.Audio
	default:
		return nil
	}
	if odd || t.Scale == 0 {
		return nil
	}
	return t
}

// codings are the sample entries whose samples libav gives as they stand.
var codings = []string{"avc1", "hvc1", "hev1", "mp4a"}

// edits reads an edit list of one part at most, behind a time of nothing. All others are false.
func (f *file) edits(b box, t *tables) bool {
	entry := 12
	if f.bytes(b, full)[0] == 1 {
		entry = 20
	}
	list := f.table(b, entry)
	for n := 0; len(list) > 0; n, list = n+1, list[entry:] {
		length, from := int64(binary.BigEndian.Uint32(list)), int64(int32(binary.BigEndian.Uint32(list[4:])))
		if entry == 20 {
			length, from = int64(binary.BigEndian.Uint64(list)), int64(binary.BigEndian.Uint64(list[8:]))
		}
		rate := binary.BigEndian.Uint32(list[entry-4:])
		switch {
		case rate != 1<<16 || length < 0:
			return false
		case from == -1 && n == 0 && len(list) > entry:
		case from >= 0 && len(list) == entry:
			t.edit.from = from
			if length > 0 {
				t.edit.length = length
			}
		default:
			return false
		}
	}
	return true
}
