package hostile

import "fmt"

// chunk is a RIFF chunk.
func chunk(kind string, parts ...[]byte) []byte {
	payload := cat(parts...)
	return cat([]byte(kind), le32(uint32(len(payload))), payload, zeros(len(payload)%2))
}

func list(kind string, parts ...[]byte) []byte { return chunk("LIST", []byte(kind), cat(parts...)) }

func riff(kind string, parts ...[]byte) []byte {
	return cat([]byte("RIFF"), le32(0x7fffffff), []byte(kind), cat(parts...))
}

func strh(kind, codec string) []byte {
	return chunk("strh", []byte(kind), []byte(codec), zeros(12), le32(1, 25, 0, 1000, 0, 0, 0), zeros(8))
}

func bitmap(codec string, width, height int, extra ...[]byte) []byte {
	more := cat(extra...)
	return chunk("strf", le32(uint32(40+len(more)), uint32(width), uint32(height)), le16(1, 24), []byte(codec), zeros(20), more)
}

func aviStream(more ...[]byte) []byte {
	return list("strl", strh("vids", "H264"), bitmap("H264", 320, 180), cat(more...))
}

func avi(streams []byte, n int, parts ...[]byte) []byte {
	avih := chunk("avih", le32(40000, 0, 0, 0x10, 1000, 0, uint32(n), 0, 320, 180), zeros(16))
	return riff("AVI ", list("hdrl", avih, streams), cat(parts...))
}

// movi is the list with the media, some pictures of it.
func movi() []byte {
	return list("movi", times(30, func(int) []byte { return chunk("00dc", annexB(sps(20, 12), pps(), idr(0, 0))) }))
}

func aviBombs() []Bomb {
	return []Bomb{
		{Name: "avi: an index of 200 MB", file: ".avi", body: aviIndex(200 << 20)},
		{Name: "avi: a super index that names itself", file: ".avi", body: superIndex},
		{Name: "avi: 1000 streams", file: ".avi", body: later(aviStreams, 1000)},
		{Name: "avi: 100 000 streams without headers of them", file: ".avi", body: later(aviHeadless, 100_000)},
		{Name: "avi: lists 100 000 deep", file: ".avi", body: later(deepLists, 100_000)},
		{Name: "avi: a decoder configuration of 250 MB", file: ".avi", body: aviConfig(250 << 20)},
		{Name: "avi: 200 000 tags", file: ".avi", body: later(aviTags, 200_000)},
		{Name: "avi: a picture of 1 GB", file: ".avi", body: aviPicture(1 << 30)},
	}
}

func aviIndex(size int64) func() Body {
	return func() Body {
		entry := cat([]byte("00dc"), le32(0x10, 4, 100))
		return Body{held(avi(aviStream(), 1, movi()), []byte("idx1"), le32(uint32(size))), repeated(entry, size)}
	}
}

func superIndex() Body {
	const n = 20_000
	indx := chunk("indx", le16(4), []byte{0, 0}, le32(n), []byte("00dc"), zeros(12), times(n, func(int) []byte { return cat(le64(0x100), le32(8, 100)) }))
	ix := chunk("ix00", le16(2), []byte{0, 1}, le32(60_000), []byte("00dc"), le64(0), zeros(4), times(60_000, func(i int) []byte { return le32(uint32(i), 100) }))
	before := avi(aviStream(), 1)
	at := len(before) + len(indx)
	indx = chunk("indx", le16(4), []byte{0, 0}, le32(n), []byte("00dc"), zeros(12), times(n, func(int) []byte { return cat(le64(uint64(at)), le32(8, 100)) }))
	return Body{held(avi(aviStream(indx), 1, ix, movi()))}
}

func aviStreams(n int) func() Body {
	return whole(avi(times(n, func(int) []byte { return aviStream() }), n, movi()))
}

func aviHeadless(n int) func() Body {
	return whole(avi(times(n, func(int) []byte { return strh("vids", "H264") }), n, movi()))
}

func deepLists(n int) func() Body {
	return whole(avi(cat(aviStream(), times(n, func(i int) []byte { return cat([]byte("LIST"), le32(uint32(12*(n-i))), []byte("strl")) })), 1, movi()))
}

func aviConfig(size int64) func() Body {
	return func() Body {
		head := cat(riff("AVI "), []byte("LIST"), le32(uint32(size)+2000), []byte("hdrl"), chunk("avih", le32(40000, 0, 0, 0x10, 1000, 0, 1, 0, 320, 180), zeros(16)),
			[]byte("LIST"), le32(uint32(size)+200), []byte("strl"), strh("vids", "H264"), []byte("strf"), le32(uint32(size)+40), bitmap("H264", 320, 180)[8:])
		return Body{held(head), repeated([]byte{1}, size), held(movi())}
	}
}

func aviTags(n int) func() Body {
	tags := times(n, func(i int) []byte { return chunk(fmt.Sprintf("%04x", i%65536), []byte("x")) })
	return whole(avi(aviStream(), 1, list("INFO", tags), movi()))
}

func aviPicture(size int64) func() Body {
	return func() Body {
		return Body{held(avi(aviStream(), 1), []byte("LIST"), le32(uint32(size)+12), []byte("movi00dc"), le32(uint32(size))), repeated([]byte{0}, size)}
	}
}
