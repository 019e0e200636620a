package hostile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// sample is one frame of an FLV file.
type sample struct {
	data []byte
	key  bool
	cts  int32 // milliseconds
}

// flvTracks are the frames of an FLV file, H.264 and AAC, and their decoder
// configurations.
type flvTracks struct {
	video, audio []sample
	avcC, asc    []byte
}

func readFLV(b []byte) (flvTracks, error) {
	var t flvTracks
	for b = b[min(13, len(b)):]; len(b) >= 15; {
		size := int(binary.BigEndian.Uint32(b) & 0xffffff)
		if len(b) < 15+size {
			return t, errors.New("an FLV tag is cut")
		}
		t.tag(b[0], b[11:11+size])
		b = b[15+size:]
	}
	if t.avcC == nil || t.asc == nil {
		return t, errors.New("not an FLV of H.264 and AAC")
	}
	return t, nil
}

func (t *flvTracks) tag(kind byte, d []byte) {
	switch {
	case kind == 9 && len(d) > 5 && d[1] == 0:
		t.avcC = d[5:]
	case kind == 9 && len(d) > 5 && d[1] == 1:
		cts := int32(binary.BigEndian.Uint32(d[1:])<<8) >> 8
		t.video = append(t.video, sample{d[5:], d[0]>>4 == 1, cts})
	case kind == 8 && len(d) > 2 && d[1] == 0:
		t.asc = d[2:]
	case kind == 8 && len(d) > 2:
		t.audio = append(t.audio, sample{data: d[2:], key: true})
	}
}

// LongMP4 returns an mp4 as long as said, its index in front, that plays the
// FLV clip of H.264 at fps and AAC at 48 kHz over and over, with chunks of a
// second and edit lists as ffmpeg writes them. The clip has whole seconds, each of which begins with a keyframe.
func LongMP4(flv []byte, fps int, long time.Duration) (Body, error) {
	t, err := readFLV(flv)
	if err != nil {
		return nil, err
	}
	const frame = 1024 // samples of an AAC frame at 48 kHz
	seconds := len(t.video) / fps
	// Whole AAC frames: 375 of them are 8 s.
	if seconds%8 != 0 || len(t.video)%fps != 0 || len(t.audio) < seconds*48000/frame {
		return nil, fmt.Errorf("the clip has %d pictures and %d frames of sound, not whole multiples of 8 s", len(t.video), len(t.audio))
	}
	t.audio = t.audio[:seconds*48000/frame]
	rounds := max(1, int(long/time.Second)/seconds)
	l := layout{video: &tables{}, audio: &tables{}, rounds: uint32(rounds)}
	var pattern []byte
	for s := range seconds {
		pattern = l.video.chunk(pattern, t.video[s*fps:(s+1)*fps])
		pattern = l.audio.chunk(pattern, t.audio[s*len(t.audio)/seconds:(s+1)*len(t.audio)/seconds])
	}
	l.pattern = int64(len(pattern))
	total := uint32(rounds * seconds)
	index := func(at int64) []byte {
		video := mp4Track{id: 1, seconds: total, timescale: uint32(1000 * fps), entry: avc1(320, 180, t.avcC),
			more:   elst(total*1000, uint32(t.video[0].cts)*uint32(fps)),
			tables: cat(stts(uint32(rounds*len(t.video)), 1000), l.video.cttsOf(l.rounds, uint32(fps)), l.tables(l.video, at, true))}
		audio := mp4Track{id: 2, sound: true, seconds: total, timescale: 48000, entry: mp4a(t.asc),
			more:   elst(total*1000, frame),
			tables: cat(stts(uint32(rounds*len(t.audio)), frame), l.tables(l.audio, at, false))}
		return cat(ftyp(), moov(total, video.box(), audio.box()))
	}
	media := head("mdat", l.pattern*int64(rounds))
	before := int64(len(index(0)) + len(media)) // of the same length whatever the offsets are
	return Body{held(index(before), media), repeated(pattern, l.pattern*int64(rounds))}, nil
}

// tables are what one round of a track puts into its sample tables.
type tables struct {
	sizes, keys []uint32 // keys count from 1
	cts         []int32  // milliseconds
	chunks      []int64  // offsets in the round
	perChunk    []uint32
}

func (t *tables) chunk(pattern []byte, samples []sample) []byte {
	t.chunks, t.perChunk = append(t.chunks, int64(len(pattern))), append(t.perChunk, uint32(len(samples)))
	for _, s := range samples {
		t.sizes, t.cts = append(t.sizes, uint32(len(s.data))), append(t.cts, s.cts)
		if s.key {
			t.keys = append(t.keys, uint32(len(t.sizes)))
		}
		pattern = append(pattern, s.data...)
	}
	return pattern
}

// layout is where rounds of the same media lie.
type layout struct {
	video, audio *tables
	rounds       uint32
	pattern      int64 // bytes of a round
}

// tables are the boxes of t whose media begins at an offset, stts and ctts apart.
func (l layout) tables(t *tables, at int64, video bool) []byte {
	n := uint32(len(t.sizes))
	var sizes, keys, chunks, per []byte
	var offsets []uint64
	entries := uint32(0)
	for r := range l.rounds {
		sizes = append(sizes, be32(t.sizes...)...)
		for _, k := range t.keys {
			keys = append(keys, be32(r*n+k)...)
		}
		for i, c := range t.chunks {
			offsets = append(offsets, uint64(at+int64(r)*l.pattern+c))
			if i == 0 || t.perChunk[i] != t.perChunk[i-1] {
				per, entries = append(per, be32(r*uint32(len(t.chunks))+uint32(i)+1, t.perChunk[i], 1)...), entries+1
			}
		}
	}
	chunks = full("co64", 0, 0, be32(uint32(len(offsets))), be64(offsets...))
	all := cat(full("stsz", 0, 0, be32(0, n*l.rounds), sizes), full("stsc", 0, 0, be32(entries), per), chunks)
	if video {
		all = cat(all, full("stss", 0, 0, be32(uint32(len(t.keys))*l.rounds), keys))
	}
	return all
}

// cttsOf is a composition time for each sample, in a timescale of 1000 a frame.
func (t *tables) cttsOf(rounds, fps uint32) []byte {
	var each []byte
	for _, ms := range t.cts {
		frames := (uint32(ms)*fps + 500) / 1000
		each = append(each, be32(1, frames*1000)...)
	}
	return full("ctts", 0, 0, be32(rounds*uint32(len(t.cts))), times(int(rounds), func(int) []byte { return each }))
}
