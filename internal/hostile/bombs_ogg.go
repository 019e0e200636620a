package hostile

import "fmt"

// oggPage is a page (RFC 3533, 6) that carries whole packets, if its flags say
// no other.
func oggPage(flags byte, serial, number uint32, lacing, data []byte) []byte {
	page := cat([]byte("OggS"), []byte{0, flags}, le64(0), le32(serial, number, 0), []byte{byte(len(lacing))}, lacing, data)
	copy(page[22:], le32(oggSum(page)))
	return page
}

// oggSum is the checksum of a page whose own is zero.
func oggSum(page []byte) uint32 { return crcMPEG(0, page) }

// oggPackets puts each packet on pages of its own; the first begins the stream
// if first is 2.
func oggPackets(first byte, serial, number uint32, packets ...[]byte) []byte {
	var all []byte
	for _, p := range packets {
		lacing := append(bytesOf(255, len(p)/255), byte(len(p)%255))
		for flags := first; len(lacing) > 0; flags = 1 {
			n := min(255, len(lacing))
			size := 0
			for _, l := range lacing[:n] {
				size += int(l)
			}
			all = append(all, oggPage(flags, serial, number, lacing[:n], p[:size])...)
			p, lacing, number = p[size:], lacing[n:], number+1
		}
		first = 0
	}
	return all
}

func vorbisHead() []byte {
	return cat([]byte("\x01vorbis"), le32(0), []byte{2}, le32(48000, 0, 128000, 0), []byte{0xb8, 1})
}

func opusHead(channels byte) []byte {
	head := cat([]byte("OpusHead\x01"), []byte{channels}, le16(0), le32(48000), le16(0))
	if channels <= 2 {
		return append(head, 0)
	}
	head = append(head, 255, channels, 0) // a mapping of no meaning, each channel a stream
	for c := range channels {
		head = append(head, c)
	}
	return head
}

func comments(n int) []byte {
	return cat(le32(1), []byte("x"), le32(uint32(n)), times(n, func(i int) []byte {
		c := fmt.Sprintf("K%d=v", i)
		return cat(le32(uint32(len(c))), []byte(c))
	}))
}

func oggBombs() []Bomb {
	return []Bomb{
		{Name: "ogg: a million comments", file: ".ogg", body: later(oggComments, 1_000_000)},
		{Name: "ogg: 20 000 streams", file: ".ogg", body: later(oggStreams, 20_000)},
		{Name: "ogg: a packet that grows without end", Worst: true, file: ".ogg", endless: true, body: growingPacket},
		{Name: "ogg: streams one after another without end", file: ".ogg", endless: true, body: chained},
		{Name: "ogg: comments without end", file: ".ogg", endless: true, body: commentsWithoutEnd},
		{Name: "ogg: vorbis codebooks of 16 million entries", file: ".ogg", body: codebooks},
		{Name: "ogg: opus of 255 channels", file: ".opus", body: opusOf(255)},
	}
}

func oggComments(n int) func() Body {
	return whole(oggPackets(2, 1, 0, opusHead(2), cat([]byte("OpusTags"), comments(n))), oggPage(0, 1, 9999, []byte{3}, []byte{0xfc, 0xff, 0xfe}))
}

func oggStreams(n int) func() Body {
	return whole(times(n, func(i int) []byte { return oggPage(2, uint32(i+1), 0, []byte{30}, vorbisHead()) }),
		times(n, func(i int) []byte { return oggPage(0, uint32(i+1), 1, bytesOf(255, 4), zeros(1020)) }))
}

func growingPacket() Body {
	return Body{held(oggPackets(2, 1, 0, opusHead(2), cat([]byte("OpusTags"), comments(1)))),
		repeated(oggPage(1, 1, 3, bytesOf(255, 255), zeros(255*255)), endlessly)}
}

func chained() Body {
	streams := times(500, func(i int) []byte {
		return cat(oggPackets(2, uint32(i+1), 0, opusHead(2), cat([]byte("OpusTags"), comments(100))), oggPage(4, uint32(i+1), 2, []byte{3}, []byte{0xfc, 0xff, 0xfe}))
	})
	return Body{repeated(streams, endlessly)}
}

func commentsWithoutEnd() Body {
	more := times(100, func(i int) []byte {
		return oggPackets(0, 1, uint32(i+1), cat([]byte("\x03vorbis"), comments(1000), []byte{1}))
	})
	return Body{held(oggPackets(2, 1, 0, vorbisHead())), repeated(more, endlessly)}
}

// codebooks is a setup header (Vorbis I, 4.2.4) of 256 codebooks that claim all
// the entries there can be.
func codebooks() Body {
	setup := cat([]byte("\x05vorbis"), []byte{255}, times(256, func(int) []byte { return cat([]byte("BCV"), le16(1), []byte{0xff, 0xff, 0xff, 0x20}, zeros(20)) }))
	return Body{held(oggPackets(2, 1, 0, vorbisHead(), cat([]byte("\x03vorbis"), comments(1), []byte{1}), setup),
		times(200, func(i int) []byte { return oggPage(0, 1, uint32(i+9), []byte{200}, zeros(200)) }))}
}

func opusOf(channels byte) func() Body {
	return whole(oggPackets(2, 1, 0, opusHead(channels), cat([]byte("OpusTags"), comments(1))),
		times(500, func(i int) []byte { return oggPage(0, 1, uint32(i+2), []byte{200}, zeros(200)) }))
}
