package hostile

import (
	"bytes"
	"fmt"
)

// id3 is an ID3v2.4 tag of frames; its lengths have seven bits a byte.
func id3(size int, frames ...[]byte) []byte {
	return cat([]byte("ID3\x04\x00\x00"), synchsafe(size), cat(frames...))
}

func synchsafe(n int) []byte {
	return []byte{byte(n >> 21 & 127), byte(n >> 14 & 127), byte(n >> 7 & 127), byte(n & 127)}
}

func id3Frame(kind string, size int, data []byte) []byte {
	return cat([]byte(kind), synchsafe(size), []byte{0, 0}, data)
}

// mp3Frame is a frame of silence: MPEG-1 layer III, 128 kb/s, 44.1 kHz.
func mp3Frame() []byte { return cat([]byte{0xff, 0xfb, 0x90, 0x00}, zeros(413)) }

func mp3Sound() []byte { return bytes.Repeat(mp3Frame(), 300) }

const pictureHead = "\x00image/jpeg\x00\x03\x00"

func soundBombs() []Bomb {
	return []Bomb{
		{Name: "mp3: 40 000 frames of text", Worst: true, file: ".mp3", body: later(texts, 40_000)},
		{Name: "mp3: a picture of 200 MB", file: ".mp3", body: id3Picture(200 << 20)},
		{Name: "mp3: a picture of 240 MB by gzip", file: ".mp3", gzipped: true, body: gzipPicture(240 << 20)},
		{Name: "mp3: a thousand pictures of 200 kB", file: ".mp3", body: id3Pictures(1000, 200<<10)},
		{Name: "mp3: tags without end", file: ".mp3", endless: true, body: endlessID3},
		{Name: "mp3: an index of 65 535 entries", file: ".mp3", body: vbri},
		{Name: "flac: a million comments", file: ".flac", body: later(flacComments, 1_000_000)},
		{Name: "flac: an index of 16 MB", file: ".flac", body: flacBlock(3, 0xfffff0)},
		{Name: "flac: pictures of 16 MB without end", file: ".flac", endless: true, body: flacPictures},
		{Name: "wav: 65 535 channels", file: ".wav", body: wavOf(65535, 192_000)},
		{Name: "wav: 64 channels of 192 kHz", file: ".wav", body: wavOf(64, 192_000)},
		{Name: "wav: 200 000 tags", file: ".wav", body: later(wavTags, 200_000)},
		{Name: "aiff: 65 535 channels", file: ".aiff", body: aiffOf(65535)},
		{Name: "aiff: texts of 100 MB", file: ".aiff", body: aiffText(100 << 20)},
		{Name: "caf: a hundred million packets", file: ".caf", body: cafPackets},
		{Name: "caf: 200 000 texts", file: ".caf", body: later(cafTexts, 200_000)},
		{Name: "asf: an index of a hundred million entries", file: ".wmv", body: asfIndex},
		{Name: "asf: 127 streams of 60 kB of configuration", file: ".wmv", body: asfStreams},
		{Name: "asf: 60 000 tags", file: ".wmv", body: later(asfTags, 60_000)},
		{Name: "aac: rubbish without end", file: ".aac", endless: true, body: adtsRubbish},
	}
}

func texts(n int) func() Body {
	frames := times(n, func(i int) []byte {
		text := fmt.Appendf(nil, "\x03k%d\x00v", i)
		return id3Frame("TXXX", len(text), text)
	})
	return whole(id3(len(frames), frames), mp3Sound())
}

func id3Picture(size int) func() Body {
	return func() Body {
		n := len(pictureHead) + size
		return Body{held(id3(n+10), id3Frame("APIC", n, []byte(pictureHead))), repeated([]byte{0xff, 0xd8}, int64(size)), held(mp3Sound())}
	}
}

func gzipPicture(size int) func() Body {
	return func() Body {
		n := len(pictureHead) + size
		return Body{held(gzipped(cat(id3(n+10), id3Frame("APIC", n, []byte(pictureHead))), size, mp3Sound()))}
	}
}

func id3Pictures(n, size int) func() Body {
	return func() Body {
		one := id3Frame("APIC", len(pictureHead)+size, cat([]byte(pictureHead), zeros(size)))
		return Body{held(id3(n * len(one))), repeated(one, int64(n*len(one))), held(mp3Sound())}
	}
}

func endlessID3() Body {
	frames := times(500, func(i int) []byte {
		text := fmt.Appendf(nil, "\x03k%d\x00v", i)
		return id3Frame("TXXX", len(text), text)
	})
	return Body{repeated(id3(len(frames), frames), endlessly)}
}

func vbri() Body {
	table := cat([]byte("VBRI"), be16(1, 0, 0), be32(1<<30, 1<<30), be16(65535, 65535, 4, 1), bytes.Repeat([]byte{0xff}, 4*65535))
	return Body{held([]byte{0xff, 0xfb, 0x90, 0x00}, zeros(32), table, mp3Sound())}
}

// flacInfo is the marker and STREAMINFO (RFC 9639, 8.2).
func flacInfo() []byte {
	return cat([]byte("fLaC"), []byte{0, 0, 0, 34}, be16(4096, 4096), zeros(6), []byte{0x0b, 0xb8, 0x02, 0xf0, 0, 0, 0, 0}, zeros(16))
}

// flacComments spreads comments over blocks, which hold 16 MB at most.
func flacComments(n int) func() Body {
	body := comments(n)
	return whole(flacInfo(), []byte{0x84}, be24(len(body)), body, zeros(2000))
}

func flacBlock(kind byte, size int64) func() Body {
	return func() Body {
		return Body{held(flacInfo(), []byte{0x80 | kind}, be24(int(size))), repeated([]byte{1}, size), held(zeros(2000))}
	}
}

func flacPictures() Body {
	const size = 16_000_000
	block := cat([]byte{6}, be24(size+32+10), be32(3, 10), []byte("image/jpeg"), be32(0, 1, 1, 24, 0, size), zeros(size))
	return Body{held(flacInfo()), repeated(block, endlessly)}
}

func wavOf(channels uint16, rate uint32) func() Body {
	return func() Body {
		block := uint32(channels) * 4
		fmtChunk := chunk("fmt ", le16(1, channels), le32(rate, rate*block), le16(uint16(min(block, 65535)), 32))
		return Body{held(riff("WAVE", fmtChunk), []byte("data"), le32(1<<30)), repeated([]byte{1, 2, 3}, 1<<30)}
	}
}

func wavTags(n int) func() Body {
	tags := times(n, func(i int) []byte { return chunk(fmt.Sprintf("%04x", i%65536), []byte("x")) })
	return whole(riff("WAVE", chunk("fmt ", le16(1, 2), le32(48000, 192000), le16(4, 16)), list("INFO", tags), chunk("data", zeros(100000))))
}

// beChunk is a chunk of AIFF.
func beChunk(kind string, parts ...[]byte) []byte {
	payload := cat(parts...)
	return cat([]byte(kind), be32(uint32(len(payload))), payload)
}

func aiff(channels uint16, parts ...[]byte) []byte {
	rate := []byte{0x40, 0x0e, 0xbb, 0x80, 0, 0, 0, 0, 0, 0}
	return cat([]byte("FORM"), be32(0x7fffffff), []byte("AIFF"), cat(parts...), beChunk("COMM", be16(channels), be32(1<<30), be16(32), rate),
		beChunk("SSND", zeros(300_000)))
}

func aiffOf(channels uint16) func() Body { return whole(aiff(channels)) }

func aiffText(size int64) func() Body {
	return func() Body {
		return Body{held([]byte("FORM"), be32(0x7fffffff), []byte("AIFFANNO"), be32(uint32(size))), repeated([]byte("x"), size), held(aiff(2)[12:])}
	}
}

// caf is a Core Audio file of AAC whose chunks are followed by its media.
func caf(parts ...[]byte) []byte {
	desc := cat([]byte("desc"), be64(32), be64(0x40e7700000000000), []byte("aac "), be32(0, 0, 1024, 2, 0))
	return cat([]byte("caff"), be16(1, 0), desc, cat(parts...), []byte("data"), be64(100_004), be32(0), zeros(100_000))
}

func cafPackets() Body {
	const packets = 100_000_000
	table := cat([]byte("pakt"), be64(packets+24), be64(packets), be64(packets*1024), be32(0, 0))
	begin := caf()
	return Body{held(begin, table), repeated([]byte{1}, packets)}
}

func cafTexts(n int) func() Body {
	text := cat(be32(uint32(n)), times(n, func(i int) []byte { return fmt.Appendf(nil, "k%d\x00v\x00", i) }))
	return whole(caf([]byte("info"), be64(uint64(len(text))), text))
}

// guid is one of ASF's, from the form it is written in: little end first.
func guid(a uint32, b, c uint16, d ...byte) []byte { return cat(le32(a), le16(b, c), d) }

func asfObject(id []byte, parts ...[]byte) []byte {
	payload := cat(parts...)
	return cat(id, le64(uint64(24+len(payload))), payload)
}

var (
	asfHeader     = guid(0x75B22630, 0x668E, 0x11CF, 0xA6, 0xD9, 0x00, 0xAA, 0x00, 0x62, 0xCE, 0x6C)
	asfProperties = guid(0x8CABDCA1, 0xA947, 0x11CF, 0x8E, 0xE4, 0x00, 0xC0, 0x0C, 0x20, 0x53, 0x65)
	asfStream     = guid(0xB7DC0791, 0xA9B7, 0x11CF, 0x8E, 0xE6, 0x00, 0xC0, 0x0C, 0x20, 0x53, 0x65)
	asfVideo      = guid(0xBC19EFC0, 0x5B4D, 0x11CF, 0xA8, 0xFD, 0x00, 0x80, 0x5F, 0x5C, 0x44, 0x2B)
	asfExtended   = guid(0xD2D0A440, 0xE307, 0x11D2, 0x97, 0xF0, 0x00, 0xA0, 0xC9, 0x5E, 0xA8, 0x50)
	asfData       = guid(0x75B22636, 0x668E, 0x11CF, 0xA6, 0xD9, 0x00, 0xAA, 0x00, 0x62, 0xCE, 0x6C)
	asfSimple     = guid(0x33000890, 0xE5B1, 0x11CF, 0x89, 0xF4, 0x00, 0xA0, 0xC9, 0x03, 0x49, 0xCB)
)

func asfVideoStream(number int, config int) []byte {
	format := cat(le32(320, 180), []byte{2}, le16(uint16(40+config)), le32(uint32(40+config), 320, 180), le16(1, 24), []byte("H264"), zeros(20), zeros(config))
	return asfObject(asfStream, asfVideo, zeros(16), zeros(8), le32(uint32(len(format)), 0), le16(uint16(number)), zeros(4), format)
}

func asf(more []byte, streams ...[]byte) []byte {
	properties := asfObject(asfProperties, zeros(16), le64(1<<30, 0, 1000, 10_000_000, 10_000_000, 0), le32(2, 3200, 3200, 100_000))
	inner := cat(properties, cat(streams...), more)
	return cat(asfHeader, le64(uint64(30+len(inner))), le32(uint32(2+len(streams))), []byte{1, 2}, inner,
		asfData, le64(50+3200*100), zeros(16), le64(100), be16(0x0101), zeros(3200*100))
}

func asfIndex() Body {
	const entries = 100_000_000
	return Body{held(asf(nil, asfVideoStream(1, 0)), asfSimple, le64(56+6*entries), zeros(16), le64(10_000_000), le32(1, entries)), repeated([]byte{1, 0, 0, 0, 1, 0}, 6*entries)}
}

func asfStreams() Body {
	var streams [][]byte
	for i := range 127 {
		streams = append(streams, asfVideoStream(i+1, 60_000))
	}
	return Body{held(asf(nil, streams...))}
}

func asfTags(n int) func() Body {
	tags := times(n, func(i int) []byte {
		name := utf16le(fmt.Sprintf("k%d", i))
		return cat(le16(uint16(len(name))), name, le16(0, 4), []byte{'v', 0, 0, 0})
	})
	return whole(asf(asfObject(asfExtended, le16(uint16(n)), tags), asfVideoStream(1, 0)))
}

func utf16le(s string) []byte {
	var b []byte
	for _, c := range []byte(s + "\x00") {
		b = append(b, c, 0)
	}
	return b
}

// adtsRubbish has a header of AAC now and then, of frames that are not there.
func adtsRubbish() Body {
	frame := cat([]byte{0xff, 0xf1, 0x5c, 0x80, 0x02, 0x1f, 0xfc}, zeros(9))
	return Body{held(bytes.Repeat(frame, 200)), repeated(cat(frame, bytes.Repeat([]byte{0x55, 0xaa, 0x33}, 5000)), endlessly)}
}
