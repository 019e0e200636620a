package hostile

import (
	"fmt"
	"math"
)

// flvTag is a tag and its length behind it (FLV specification 10.1, E.4.1).
func flvTag(kind byte, data []byte) []byte {
	return cat([]byte{kind}, be24(len(data)), zeros(7), data, be32(uint32(11+len(data))))
}

func flvHeader() []byte { return cat([]byte("FLV\x01\x05"), be32(9, 0)) }

func amfKey(key string) []byte { return cat(be16(uint16(len(key))), []byte(key)) }

func amfNumber(v float64) []byte { return cat([]byte{0}, be64(math.Float64bits(v))) }

var amfEnd = []byte{0, 0, 9}

func onMetaData(entries ...[]byte) []byte {
	return flvTag(18, cat([]byte{2}, amfKey("onMetaData"), []byte{8}, be32(uint32(len(entries))), cat(entries...), amfEnd))
}

func flvBegin() []byte {
	return cat(flvTag(9, cat([]byte{0x17, 0, 0, 0, 0}, tinyAVCC)), flvTag(8, []byte{0xaf, 0, 0x11, 0x90}))
}

func inFLV(parts ...[]byte) func() Body { return whole(flvHeader(), cat(parts...), flvBegin()) }

func flvBombs() []Bomb {
	return []Bomb{
		{Name: "flv: metadata of 100 000 keys", file: ".flv", body: later(metadataKeys, 100_000)},
		{Name: "flv: an index of 900 000 keyframes", file: ".flv", body: later(keyframes, 900_000)},
		{Name: "flv: indexes of 900 000 keyframes without end", file: ".flv", endless: true, body: keyframesWithoutEnd},
		{Name: "flv: metadata 10 000 objects deep", file: ".flv", body: later(deepMetadata, 10_000)},
		{Name: "flv: a decoder configuration of 16 MB, and again", file: ".flv", endless: true, body: flvConfigs},
		{Name: "flv: pictures of 16 MB without end", file: ".flv", endless: true, body: bigTags},
		{Name: "flv: metadata without end", file: ".flv", endless: true, body: metadataWithoutEnd},
		{Name: "flv: 256 tracks of each kind", file: ".flv", body: flvTracksOf},
	}
}

func metadataKeys(n int) func() Body {
	return inFLV(onMetaData(times(n, func(i int) []byte { return cat(amfKey(fmt.Sprint("k", i)), []byte{1, 1}) })))
}

// amfArray is a list of so many numbers.
func amfArray(key string, n int) []byte {
	return cat(amfKey(key), []byte{10}, be32(uint32(n)), times(n, func(i int) []byte { return amfNumber(float64(i)) }))
}

func keyframes(n int) func() Body {
	return inFLV(onMetaData(amfKey("keyframes"), []byte{3}, amfArray("filepositions", n)), onMetaData(amfKey("keyframes"), []byte{3}, amfArray("times", n), amfEnd))
}

func keyframesWithoutEnd() Body {
	const n = 900_000
	tag := onMetaData(amfKey("keyframes"), []byte{3}, amfArray("times", n), amfArray("filepositions", n), amfEnd)
	return Body{held(flvHeader()), repeated(tag, endlessly)}
}

func deepMetadata(n int) func() Body {
	return inFLV(onMetaData(times(n, func(int) []byte { return cat(amfKey("a"), []byte{3}) })))
}

func flvConfigs() Body {
	tag := flvTag(9, cat([]byte{0x17, 0, 0, 0, 0}, tinyAVCC, zeros(15<<20)))
	return Body{held(flvHeader()), repeated(tag, endlessly)}
}

func bigTags() Body {
	return Body{held(flvHeader(), flvBegin()), repeated(flvTag(9, cat([]byte{0x17, 1, 0, 0, 0}, zeros(16_000_000))), endlessly)}
}

func metadataWithoutEnd() Body {
	i := -1
	tags := times(50, func(int) []byte {
		return onMetaData(times(1000, func(int) []byte { i++; return cat(amfKey(fmt.Sprint("k", i)), []byte{1, 1}) }))
	})
	return Body{held(flvHeader()), repeated(tags, endlessly)}
}

// flvTracksOf are Enhanced RTMP's multitrack tags.
func flvTracksOf() Body {
	video := times(256, func(i int) []byte {
		return flvTag(9, cat([]byte{0x96, 0x00}, []byte("avc1"), []byte{byte(i)}, tinyAVCC))
	})
	audio := times(256, func(i int) []byte {
		return flvTag(8, cat([]byte{0x95, 0x00}, []byte("mp4a"), []byte{byte(i), 0x11, 0x90}))
	})
	return Body{held(flvHeader(), flvBegin(), video, audio)}
}
