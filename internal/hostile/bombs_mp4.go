package hostile

import (
	"bytes"
	"fmt"
)

// endlessly is a length that nobody sees the end of.
const endlessly = 1 << 40

func whole(parts ...[]byte) func() Body {
	return func() Body { return Body{held(parts...)} }
}

func mp4Bombs() []Bomb {
	return []Bomb{
		{Name: "mp4: 60 edits of a million samples", Worst: true, file: ".mp4", body: edits(60, 1_000_000)},
		{Name: "mp4: 20 000 edits of 200 000 samples", file: ".mp4", body: edits(20_000, 200_000)},
		{Name: "mp4: claims ten million samples", file: ".mp4", body: claims(1, 10_000_000)},
		{Name: "mp4: two tracks of 60 million samples", Worst: true, file: ".mp4", body: claims(2, 60_000_000)},
		{Name: "mp4: a sample table of 250 MB that is sent", file: ".mp4", body: sampleTable(250 << 20)},
		{Name: "mp4: a compressed index", Worst: true, file: ".mp4", body: compressedIndex(400 << 20)},
		{Name: "mp4: a run of 100 million samples in a file without an end", file: ".mp4", endless: true, body: run(100_000_000)},
		{Name: "mp4: composition times of a table that is not there", file: ".mp4", body: composition},
		{Name: "mp4: 60 tracks with an index of 65 535 fragments each", file: ".mp4", body: segmentIndex},
		{Name: "mp4: 50 million samples' keys", file: ".mp4", body: sampleKeys(50_000_000)},
		{Name: "mp4: 5000 tracks", file: ".mp4", body: later(manyTracks, 5000)},
		{Name: "mp4: 100 000 tags", file: ".mp4", body: later(freeForm, 100_000)},
		{Name: "mp4: 100 000 keys of tags", file: ".mp4", body: later(tagKeys, 100_000)},
		{Name: "mp4: 200 000 chapters", file: ".mp4", body: chapterTrack(200_000)},
		{Name: "mp4: a cover of 300 MB", file: ".mp4", body: cover(300 << 20)},
		{Name: "mp4: a decoder configuration of 256 MB", file: ".mp4", body: bigConfig(256 << 20)},
		{Name: "mp4: a million sample entries", file: ".mp4", body: later(sampleEntries, 1_000_000)},
		{Name: "mp4: fragments of nothing without end", file: ".mp4", endless: true, body: emptyFragments},
		{Name: "heif: 8192 items of 256 tiles", file: ".heic", body: heifItems},
	}
}

func file(parts ...[]byte) func() Body {
	return whole(cat(ftyp(), cat(parts...), box("mdat", zeros(3000))))
}

// edits repeat all samples of a track.
func edits(n, samples uint32) func() Body {
	list := box("edts", full("elst", 0, 0, be32(n), times(int(n), func(int) []byte { return be32(samples, 0, 0x10000) })))
	return file(moov(samples/1000, mp4Track{id: 1, seconds: samples / 1000, more: list, tables: constant(samples, 1)}.box()))
}

func claims(tracks int, samples uint32) func() Body {
	all := times(tracks, func(i int) []byte {
		return mp4Track{id: uint32(i + 1), seconds: samples / 1000, tables: constant(samples, 1)}.box()
	})
	return whole(ftyp(), moov(samples/1000, all), box("mdat", zeros(16)))
}

// split returns a box of boxes around a hole of size bytes that is not held:
// what stands before the hole and what behind. whole makes the box with a hole
// of n bytes.
func split(size int64, fill []byte, outer func(inner []byte) []byte) Body {
	// The boxes around are as large as if the hole were there: their lengths
	// are corrected in a small one of 0xEE.
	const mark = 64
	hole := bytes.Repeat([]byte{0xee}, mark)
	made := outer(hole)
	at := bytes.Index(made, hole)
	before := grow(made[:at], len(made), size-mark)
	return Body{held(before), repeated(fill, size), held(made[at+mark:])}
}

// grow adds to the lengths of all boxes that are open at the end of b, of which
// total bytes will be.
func grow(b []byte, total int, by int64) []byte {
	b = bytes.Clone(b)
	for i := 0; i+8 <= len(b); i++ {
		if !open[string(b[i+4:i+8])] {
			continue
		}
		n := int(b[i])<<24 | int(b[i+1])<<16 | int(b[i+2])<<8 | int(b[i+3])
		if i+n > len(b) && i+n <= total {
			copy(b[i:], be32(uint32(int64(n)+by)))
		}
	}
	return b
}

var open = map[string]bool{"moov": true, "trak": true, "mdia": true, "minf": true, "stbl": true, "stsz": true, "stsd": true, "avc1": true,
	"avcC": true, "glbl": true, "udta": true, "meta": true, "ilst": true, "covr": true, "data": true}

func sampleTable(size int64) func() Body {
	samples := uint32(size / 4)
	return func() Body {
		return append(split(size, be32(1), func(hole []byte) []byte {
			return cat(ftyp(), moov(samples/1000, mp4Track{id: 1, seconds: samples / 1000,
				tables: cat(stts(samples, 1), stsc(samples), stco(48), full("stsz", 0, 0, be32(0, samples), hole))}.box()))
		}), held(box("mdat", zeros(3000))))
	}
}

// compressedIndex is a moov in a cmov (QuickTime File Format, Compressed Movie
// Resources) of size bytes once it is inflated.
func compressedIndex(size uint32) func() Body {
	return func() Body {
		index := zlibbed(cat(be32(size), []byte("moov"), be32(size-8), []byte("free")), int(size)-16)
		return Body{held(ftyp(), box("moov", box("cmov", box("dcom", []byte("zlib")), box("cmvd", be32(size), index))), box("mdat", zeros(100)))}
	}
}

// fragmented is an index without samples, and what comes behind it.
func fragmented(tracks int, entry []byte, parts ...[]byte) []byte {
	empty := cat(stts(0, 0)[:16], full("stsz", 0, 0, be32(0, 0)), full("stsc", 0, 0, be32(0)), full("stco", 0, 0, be32(0)))
	traks := times(tracks, func(i int) []byte { return mp4Track{id: uint32(i + 1), entry: entry, tables: empty}.box() })
	trexes := times(tracks, func(i int) []byte { return full("trex", 0, 0, be32(uint32(i+1), 1, 40, 1, 0)) })
	return cat(ftyp(), moov(10, traks, box("mvex", trexes)), cat(parts...))
}

func fragment(inTraf ...[]byte) []byte {
	return box("moof", full("mfhd", 0, 0, be32(1)), box("traf", append([][]byte{full("tfhd", 0, 0x20000, be32(1))}, inTraf...)...))
}

// run lasts: where a file has a length, libav holds the samples against it.
func run(samples uint32) func() Body {
	return func() Body {
		begin := fragmented(1, nil, fragment(full("trun", 0, 0, be32(samples))))
		return Body{held(begin, head("mdat", 1<<39)), repeated([]byte{0}, endlessly)}
	}
}

func composition() Body {
	const samples = 200_000_000
	table := full("ctts", 0, 0, be32(1, samples, 5))
	return file(moov(1000, mp4Track{id: 1, seconds: 1000, tables: cat(constant(samples, 1), table)}.box()))()
}

func segmentIndex() Body {
	const fragments = 65_535
	entries := times(fragments, func(int) []byte { return be32(1, 1, 0x90000000) })
	index := times(60, func(i int) []byte {
		return full("sidx", 0, 0, be32(uint32(i+1), 1000, 0, 0), be16(0, fragments), entries)
	})
	return Body{held(fragmented(60, nil, index))}
}

func sampleKeys(samples uint32) func() Body {
	tenc := full("tenc", 0, 0, []byte{0, 0, 1, 0}, bytes.Repeat([]byte{7}, 16), []byte{16}, zeros(16))
	sinf := box("sinf", box("frma", []byte("avc1")), full("schm", 0, 0, []byte("cenc"), be32(0x10000)), box("schi", tenc))
	entry := visual("encv", 320, 180, cat(box("avcC", tinyAVCC), sinf))
	return whole(fragmented(1, entry, fragment(full("trun", 0, 0, be32(1)), full("senc", 0, 0, be32(samples))), box("mdat", zeros(1000))))
}

func manyTracks(n int) func() Body {
	return file(moov(10, times(n, func(i int) []byte {
		return mp4Track{id: uint32(i + 1), seconds: 10, tables: constant(100, 10)}.box()
	})))
}

func data(text string) []byte { return box("data", be32(1, 0), []byte(text)) }

func tagged(meta ...[]byte) func() Body {
	return file(moov(1, mp4Track{id: 1, seconds: 1, tables: constant(30, 100)}.box(), box("udta", meta...)))
}

// freeForm are iTunes' tags of any name.
func freeForm(n int) func() Body {
	items := times(n, func(i int) []byte {
		return box("----", full("mean", 0, 0, []byte("x")), full("name", 0, 0, fmt.Appendf(nil, "n%d", i)), data("v"))
	})
	hdlr := full("hdlr", 0, 0, be32(0), []byte("mdirappl"), zeros(9))
	return tagged(full("meta", 0, 0, hdlr, box("ilst", items)))
}

func tagKeys(n int) func() Body {
	keys := times(n, func(i int) []byte { return box("mdta", fmt.Appendf(nil, "key%d", i)) })
	items := times(n, func(i int) []byte { return box(string(be32(uint32(i+1))), data("v")) })
	hdlr := full("hdlr", 0, 0, be32(0), []byte("mdta"), zeros(13))
	return tagged(full("meta", 0, 0, hdlr, full("keys", 0, 0, be32(uint32(n)), keys), box("ilst", items)))
}

func chapterTrack(n uint32) func() Body {
	chap := box("tref", box("chap", be32(2)))
	text := mp4Track{id: 2, seconds: n, tables: constant(n, 3), entry: box("text", zeros(6), be16(1), zeros(44))}
	return file(moov(n, mp4Track{id: 1, seconds: n, more: chap, tables: constant(n, 3)}.box(), bytes.Replace(text.box(), []byte("vide"), []byte("text"), 1)))
}

func cover(size int64) func() Body {
	return func() Body {
		return split(size, []byte{0xff, 0xd8, 0xff}, func(hole []byte) []byte {
			hdlr := full("hdlr", 0, 0, be32(0), []byte("mdirappl"), zeros(9))
			return cat(ftyp(), box("moov", box("udta", full("meta", 0, 0, hdlr, box("ilst", box("covr", box("data", be32(13, 0), hole)))))))
		})
	}
}

func bigConfig(size int64) func() Body {
	return func() Body {
		return split(size, []byte{1}, func(hole []byte) []byte {
			return cat(ftyp(), moov(1, mp4Track{id: 1, seconds: 1, entry: avc1(320, 180, hole), tables: constant(30, 100)}.box()))
		})
	}
}

func sampleEntries(n int) func() Body {
	entries := times(n, func(int) []byte { return box("jpeg", zeros(6), be16(1)) })
	track := mp4Track{id: 1, seconds: 1, tables: constant(30, 100)}.box()
	one := full("stsd", 0, 0, be32(1), avc1(320, 180, tinyAVCC))
	many := full("stsd", 0, 0, be32(uint32(n)), entries)
	at := bytes.Index(track, one)
	swapped := cat(grow(track[:at], len(track), int64(len(many)-len(one))), many, track[at+len(one):])
	return file(moov(1, swapped))
}

func emptyFragments() Body {
	return Body{held(fragmented(1, nil)), repeated(fragment(full("trun", 0, 0, be32(0))), endlessly)}
}

func heifItems() Body {
	const items = 8192
	hdlr := full("hdlr", 0, 0, be32(0), []byte("pict"), zeros(13))
	infos := times(items, func(i int) []byte { return full("infe", 2, 0, be16(uint16(i+1), 0), []byte("grid\x00")) })
	places := times(items, func(i int) []byte { return cat(be16(uint16(i+1), 0, 0, 1), be32(0, 1<<16)) })
	links := times(items, func(i int) []byte {
		return box("dimg", be16(uint16(i+1), 256), times(256, func(k int) []byte { return be16(uint16(k + 1)) }))
	})
	return Body{held(box("ftyp", []byte("heic"), be32(0), []byte("mif1heic")), full("meta", 0, 0, hdlr, full("pitm", 0, 0, be16(1)),
		full("iinf", 0, 0, be16(items), infos), full("iloc", 1, 0, be16(0x4400, items), places), full("iref", 0, 0, links)))}
}
