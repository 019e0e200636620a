package hostile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// ebml is an element with a length of eight bytes (RFC 8794).
func ebml(id uint32, parts ...[]byte) []byte {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	all := append(make([]byte, 0, 12+size), ebmlHead(id, int64(size))...)
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func ebmlHead(id uint32, size int64) []byte {
	head := binary.BigEndian.AppendUint64(be32(id), uint64(size)|1<<56)
	return bytes.TrimLeft(head, "\x00")
}

func ebmlUint(id uint32, v uint64) []byte { return ebml(id, be64(v)) }

// unknown is the size of an element that lasts as long as the file does.
const unknown = 1<<56 - 1

// Matroska's elements (RFC 9559).
const (
	mkvSegment, mkvInfo, mkvTracks, mkvTrack, mkvCluster, mkvCues = 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0x1F43B675, 0x1C53BB6B
	mkvTags, mkvTag, mkvSimpleTag, mkvTagName, mkvTagString       = 0x1254C367, 0x7373, 0x67C8, 0x45A3, 0x4487
	mkvAttachments, mkvAttachedFile, mkvFileName, mkvFileMime     = 0x1941A469, 0x61A7, 0x466E, 0x4660
	mkvFileData, mkvFileUID, mkvBlock, mkvVoid, mkvPrivate        = 0x465C, 0x46AE, 0xA3, 0xEC, 0x63A2
	mkvChapters, mkvEdition, mkvChapter                           = 0x1043A770, 0x45B9, 0xB6
)

func matroska(parts ...[]byte) []byte {
	header := ebml(0x1A45DFA3, ebmlUint(0x4286, 1), ebml(0x4282, []byte("matroska")), ebmlUint(0x4287, 4), ebmlUint(0x4285, 2))
	info := ebml(mkvInfo, ebmlUint(0x2AD7B1, 1_000_000), ebml(0x4489, be64(math.Float64bits(60_000))))
	return cat(header, ebmlHead(mkvSegment, unknown), info, cat(parts...))
}

// mkvVideo is a track of H.264 and whatever is given.
func mkvVideo(number uint64, private []byte, more ...[]byte) []byte {
	return ebml(mkvTrack, ebmlUint(0xD7, number), ebmlUint(0x73C5, number), ebmlUint(0x83, 1), ebml(0x86, []byte("V_MPEG4/ISO/AVC")),
		ebml(0xE0, ebmlUint(0xB0, 320), ebmlUint(0xBA, 180)), private, cat(more...))
}

func plainTracks(more ...[]byte) []byte {
	return ebml(mkvTracks, mkvVideo(1, ebml(mkvPrivate, tinyAVCC), more...))
}

// simpleBlock is a keyframe of track 1 with these flags of lacing.
func simpleBlock(lacing byte, data ...[]byte) []byte {
	return ebml(mkvBlock, []byte{0x81, 0, 0, 0x80 | lacing}, cat(data...))
}

func cluster(parts ...[]byte) []byte { return ebml(mkvCluster, ebmlUint(0xE7, 0), cat(parts...)) }

func inMatroska(parts ...[]byte) func() Body { return whole(matroska(parts...)) }

func matroskaBombs() []Bomb {
	return []Bomb{
		{Name: "mkv: a block of 256 MB", Worst: true, file: ".mkv", body: bigBlock(255 << 20)},
		{Name: "mkv: a CodecPrivate of 256 MB", file: ".mkv", body: bigPrivate(255 << 20)},
		{Name: "mkv: ten million cues", Worst: true, file: ".mkv", body: cues(10_000_000)},
		{Name: "mkv: 200 000 tags", file: ".mkv", body: later(tags, 200_000)},
		{Name: "mkv: an attachment of 200 MB", file: ".mkv", body: attachment(200 << 20)},
		{Name: "mkv: 20 000 attachments", file: ".mkv", body: later(attachments, 20_000)},
		{Name: "mkv: 5000 tracks", file: ".mkv", body: later(mkvManyTracks, 5000)},
		{Name: "mkv: a compressed CodecPrivate of 300 MB", file: ".mkv", body: packedPrivate(300 << 20)},
		{Name: "mkv: compressed blocks of 128 MB each", file: ".mkv", body: packedBlocks(128<<20, 8)},
		{Name: "mkv: blocks of 256 empty frames without end", file: ".mkv", endless: true, body: emptyLaces},
		{Name: "mkv: void without end", file: ".mkv", endless: true, body: endlessVoid},
		{Name: "mkv: 200 000 chapters", file: ".mkv", body: mkvChaptersOf(200_000, false)},
		{Name: "mkv: 100 000 chapters, the last first", file: ".mkv", body: mkvChaptersOf(100_000, true)},
		{Name: "mkv: 400 000 cues, the last first", file: ".mkv", body: later(cuesBack, 400_000)},
		{Name: "mkv: a million tags within tags", file: ".mkv", body: later(nestedTags, 50_000)},
	}
}

// holed is a body whose last element, of size bytes, is not held.
func holed(size int64, fill []byte, behind []byte, before ...[]byte) Body {
	return Body{held(before...), repeated(fill, size), held(behind)}
}

func bigBlock(size int64) func() Body {
	return func() Body {
		return holed(size, []byte{0, 0, 1, 0}, nil, matroska(plainTracks()), ebmlHead(mkvCluster, unknown), ebmlUint(0xE7, 0),
			ebmlHead(mkvBlock, size+4), []byte{0x81, 0, 0, 0x80})
	}
}

func bigPrivate(size int64) func() Body {
	return func() Body {
		track := cat(ebmlUint(0xD7, 1), ebmlUint(0x73C5, 1), ebmlUint(0x83, 1), ebml(0x86, []byte("V_MPEG4/ISO/AVC")))
		private := ebmlHead(mkvPrivate, size)
		inTrack := int64(len(track)+len(private)) + size
		return holed(size, []byte{1}, cluster(simpleBlock(0, zeros(500))), matroska(),
			ebmlHead(mkvTracks, inTrack+9), ebmlHead(mkvTrack, inTrack), track, private)
	}
}

func cues(n int64) func() Body {
	point := ebml(0xBB, ebml(0xB3, []byte{1}), ebml(0xB7, ebml(0xF7, []byte{1}), ebml(0xF1, []byte{1})))
	return func() Body {
		size := n * int64(len(point))
		return holed(size, point, cluster(simpleBlock(0, zeros(500))), matroska(plainTracks()), ebmlHead(mkvCues, size))
	}
}

// cuesBack are cues of which each belongs before all that came.
func cuesBack(n int) func() Body {
	return inMatroska(plainTracks(), ebml(mkvCues, times(n, func(i int) []byte {
		return ebml(0xBB, ebmlUint(0xB3, uint64(n-i)), ebml(0xB7, ebml(0xF7, []byte{1}), ebmlUint(0xF1, uint64(i+1))))
	})), cluster(simpleBlock(0, zeros(500))))
}

func simpleTag(i int, more ...[]byte) []byte {
	return ebml(mkvSimpleTag, ebml(mkvTagName, fmt.Appendf(nil, "T%d", i)), ebml(mkvTagString, []byte("v")), cat(more...))
}

func tags(n int) func() Body {
	return inMatroska(plainTracks(), ebml(mkvTags, ebml(mkvTag, times(n, func(i int) []byte { return simpleTag(i) }))), cluster(simpleBlock(0, zeros(500))))
}

func nestedTags(n int) func() Body {
	all := times(n, func(i int) []byte { return simpleTag(i, times(20, func(k int) []byte { return simpleTag(k) })) })
	return inMatroska(plainTracks(), ebml(mkvTags, ebml(mkvTag, all)), cluster(simpleBlock(0, zeros(500))))
}

func attachment(size int64) func() Body {
	return func() Body {
		file := cat(ebml(mkvFileName, []byte("a.jpg")), ebml(mkvFileMime, []byte("image/jpeg")), ebmlUint(mkvFileUID, 1), ebmlHead(mkvFileData, size))
		inFile := int64(len(file)) + size
		return holed(size, []byte{0xff, 0xd8}, cluster(simpleBlock(0, zeros(500))), matroska(plainTracks()),
			ebmlHead(mkvAttachments, inFile+10), ebmlHead(mkvAttachedFile, inFile), file)
	}
}

func attachments(n int) func() Body {
	return inMatroska(plainTracks(), ebml(mkvAttachments, times(n, func(i int) []byte {
		return ebml(mkvAttachedFile, ebml(mkvFileName, fmt.Appendf(nil, "%d.ttf", i)), ebml(mkvFileMime, []byte("font/ttf")),
			ebmlUint(mkvFileUID, uint64(i+1)), ebml(mkvFileData, []byte("x")))
	})), cluster(simpleBlock(0, zeros(500))))
}

func mkvManyTracks(n int) func() Body {
	return inMatroska(ebml(mkvTracks, times(n, func(i int) []byte { return mkvVideo(uint64(i+1), ebml(mkvPrivate, tinyAVCC)) })), cluster(simpleBlock(0, zeros(500))))
}

// encoding is a ContentEncodings of zlib, over the frames (1) or the CodecPrivate (2).
func encoding(scope uint64) []byte {
	return ebml(0x6D80, ebml(0x6240, ebmlUint(0x5031, 0), ebmlUint(0x5032, scope), ebmlUint(0x5033, 0), ebml(0x5034, ebmlUint(0x4254, 0))))
}

func packedPrivate(size int) func() Body {
	return func() Body {
		return Body{held(matroska(ebml(mkvTracks, mkvVideo(1, ebml(mkvPrivate, zlibbed(nil, size)), encoding(2))), cluster(simpleBlock(0, zeros(500)))))}
	}
}

func packedBlocks(size, n int) func() Body {
	return func() Body {
		packed := zlibbed(nil, size)
		return Body{held(matroska(plainTracks(encoding(1)), cluster(times(n, func(int) []byte { return simpleBlock(0, packed) }))))}
	}
}

func emptyLaces() Body {
	return Body{held(matroska(plainTracks()), ebmlHead(mkvCluster, unknown), ebmlUint(0xE7, 0)),
		repeated(simpleBlock(2, []byte{255}, zeros(255)), endlessly)} // Xiph lacing: 255 lengths of zero
}

func endlessVoid() Body {
	return Body{held(matroska(plainTracks())), repeated(ebml(mkvVoid, zeros(1000)), endlessly)}
}

func mkvChaptersOf(n int, back bool) func() Body {
	return inMatroska(plainTracks(), ebml(mkvChapters, ebml(mkvEdition, times(n, func(i int) []byte {
		id := i + 1
		if back {
			id = n - i
		}
		return ebml(mkvChapter, ebmlUint(0x73C4, uint64(id)), ebmlUint(0x91, uint64(i)), ebml(0x80, ebml(0x85, []byte("c"))))
	}))), cluster(simpleBlock(0, zeros(500))))
}
