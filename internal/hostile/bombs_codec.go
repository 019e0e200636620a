package hostile

func codecBombs() []Bomb {
	return []Bomb{
		{Name: "h264: 16128 x 16128", file: ".mp4", body: pictures(1, 1008, 1008)},
		{Name: "h264: twelve tracks of 16128 x 16128", Worst: true, file: ".mp4", body: pictures(12, 1008, 1008)},
		{Name: "h264: 16 references of 4096 x 2304", file: ".mp4", body: references},
		{Name: "h264: another size with each picture", file: ".ts", body: sizeChanges},
		{Name: "h264: 32 sequence and 256 picture parameter sets, over and over", file: ".ts", endless: true, body: parameterSets},
		{Name: "hevc: 16384 x 16384", file: ".mkv", body: hevcPicture},
		{Name: "mjpeg: 65500 x 65500", file: ".avi", body: jpegs("MJPG", 65500)},
		{Name: "mjpeg: 16000 x 16000", file: ".mov", body: jpegTrack},
		{Name: "prores: 16000 x 16000", file: ".mov", body: proresTrack},
		{Name: "vp9: 16384 x 16384", file: ".mkv", body: vp9Picture},
		{Name: "av1: 65536 x 65536", file: ".mkv", body: av1Picture},
		{Name: "mpeg-4: 8191 x 8191", file: ".avi", body: mpeg4Picture},
		{Name: "aac: configurations that nobody has", file: ".mp4", body: oddAAC},
		{Name: "pcm: 64 channels of 192 kHz", file: ".mov", body: pcmTrack},
	}
}

// h264Body is an mp4 of tracks whose samples are all the same picture.
func h264Body(tracks int, sps []byte, refs uint64) Body {
	const frames = 60
	sample := avcSample(sps, pps(), idr(0, refs))
	made := func(at uint32) []byte {
		return cat(ftyp(), moov(2, times(tracks, func(i int) []byte {
			tables := cat(stts(frames, 33), stsz(uint32(len(sample)), frames), stsc(frames), stco(at))
			return mp4Track{id: uint32(i + 1), seconds: 2, entry: avc1(320, 180, avcC(sps, pps())), tables: tables}.box()
		})))
	}
	return Body{held(made(uint32(len(made(0))+8)), box("mdat", times(frames, func(int) []byte { return sample }), zeros(50_000)))}
}

func pictures(tracks int, width, height uint64) func() Body {
	return func() Body { return h264Body(tracks, sps(width, height), 0) }
}

func references() Body {
	return h264Body(4, spsOf{refs: 16, width: 256, height: 144}.unit(), 0)
}

// pictureTS is a stream whose pictures are the given ones.
func pictureTS(units ...[]byte) []byte {
	all := cat(pat(program(1, 0x100)), pmt(0x100, 1, 0x1b, 0x101))
	for i, u := range units {
		packet := pes(0xe0, u)
		pts := uint64(i) * 3000
		copy(packet[9:], []byte{0x21 | byte(pts>>29&14), byte(pts >> 22), byte(pts>>14) | 1, byte(pts >> 7), byte(pts<<1) | 1})
		all = append(all, tsPackets(0x101, packet)...)
	}
	return all
}

func sizeChanges() Body {
	var units [][]byte
	for i := range 300 {
		size := uint64(20 + i%2*500 + i)
		units = append(units, annexB([]byte{9, 0xf0}, sps(size, size), pps(), idr(0, uint64(i))))
	}
	return Body{held(pictureTS(units...))}
}

func parameterSets() Body {
	var sets [][]byte
	for i := range uint64(256) {
		if i < 32 {
			sets = append(sets, spsOf{id: i, refs: 16, width: 256, height: 144}.unit())
		}
		sets = append(sets, ppsOf(i, i%32))
	}
	unit := cat(annexB([]byte{9, 0xf0}), annexB(sets...), annexB(idr(0, 0)))
	var units [][]byte
	for range 20 {
		units = append(units, unit)
	}
	return Body{repeated(pictureTS(units...), endlessly)}
}

// mkvOf is a track of a codec with a private part, and frames of it.
func mkvOf(codec string, private, frame []byte) Body {
	config := []byte{}
	if private != nil {
		config = ebml(mkvPrivate, private)
	}
	track := ebml(mkvTrack, ebmlUint(0xD7, 1), ebmlUint(0x73C5, 1), ebmlUint(0x83, 1), ebml(0x86, []byte(codec)),
		ebml(0xE0, ebmlUint(0xB0, 320), ebmlUint(0xBA, 180)), config)
	blocks := times(60, func(i int) []byte {
		return ebml(mkvBlock, []byte{0x81}, be16(uint16(i*33)), []byte{0x80}, frame)
	})
	return Body{held(matroska(ebml(mkvTracks, track), cluster(blocks)))}
}

// hevcPicture is H.265 (ITU-T H.265, 7.3.2) with an SPS of the greatest size.
func hevcPicture() Body {
	ptl := func(w *bitWriter) {
		w.fields(8, 1, 32, 0x60000000, 48, 0x900000000000, 8, 153)
	}
	var vps, set, p, slice bitWriter
	vps.u(32, 0x0c01ffff)
	ptl(&vps)
	vps.u(1, 1)
	vps.ue(15, 0, 0)
	vps.u(6, 0)
	vps.ue(0)
	vps.u(2, 0)
	set.u(8, 1)
	ptl(&set)
	set.ue(0, 1, 16384, 16384) // id, 4:2:0, size
	set.u(1, 0)
	set.ue(0, 0, 4)
	set.u(1, 1)
	set.ue(15, 0, 0, 0, 3, 0, 3, 0, 0)
	set.u(4, 0)
	set.ue(0)
	set.u(4, 0)
	p.ue(0, 0)
	p.u(7, 0)
	p.ue(0, 0, 0)
	p.u(3, 0)
	p.ue(0, 0)
	p.u(12, 0)
	p.ue(0)
	p.u(2, 0)
	slice.u(2, 2)
	slice.ue(0, 2, 0)
	slice.u(20, 0xabcde)
	sets := [][]byte{vps.unit(0x40, 1), set.unit(0x42, 1), p.unit(0x44, 1)}
	private := cat([]byte{1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 153, 0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f, 3})
	for i, s := range sets {
		private = cat(private, []byte{0xa0 | byte(32+i)}, be16(1, uint16(len(s))), s)
	}
	return mkvOf("V_MPEGH/ISO/HEVC", private, avcSample(append(sets, slice.unit(0x26, 1))...))
}

// jpeg begins a baseline picture of this width and height (ITU-T T.81).
func jpeg(size uint16) []byte {
	quant := cat([]byte{0xff, 0xdb}, be16(67), []byte{0}, bytesOf(1, 64))
	frame := cat([]byte{0xff, 0xc0}, be16(17), []byte{8}, be16(size, size), []byte{3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0})
	huffman := func(class byte) []byte {
		return cat([]byte{0xff, 0xc4}, be16(20), []byte{class, 1}, zeros(15), []byte{0})
	}
	scan := cat([]byte{0xff, 0xda}, be16(12), []byte{3, 1, 0, 2, 0, 3, 0, 0, 63, 0})
	return cat([]byte{0xff, 0xd8}, quant, frame, huffman(0), huffman(0x10), scan, zeros(500), []byte{0xff, 0xd9})
}

func jpegs(codec string, size uint16) func() Body {
	stream := list("strl", strh("vids", codec), bitmap(codec, 320, 180))
	return whole(avi(stream, 1, list("movi", times(30, func(int) []byte { return chunk("00dc", jpeg(size)) }))))
}

// trackOf is a mov of one track of equal samples.
func trackOf(t mp4Track, frames, delta uint32, sample []byte) Body {
	made := func(at uint32) []byte {
		t.id, t.seconds = 1, 2
		t.tables = cat(stts(frames, delta), stsz(uint32(len(sample)), frames), stsc(frames), stco(at))
		return cat(ftyp(), moov(2, t.box()))
	}
	media := int64(frames) * int64(len(sample))
	return Body{held(made(uint32(len(made(0))+8)), head("mdat", media)), repeated(sample, media)}
}

func jpegTrack() Body {
	return trackOf(mp4Track{entry: visual("jpeg", 16000, 16000, nil)}, 30, 33, jpeg(16000))
}

func proresTrack() Body {
	header := cat(be16(148, 0), []byte("fmpg"), be16(16000, 16000), []byte{0x80, 0, 1, 1, 1, 0, 0, 3}, bytesOf(4, 128))
	frame := cat([]byte("icpf"), header, []byte{0x40}, be32(2008), be16(1), []byte{0x30}, zeros(2000))
	return trackOf(mp4Track{entry: visual("apch", 16000, 16000, nil)}, 30, 33, cat(be32(uint32(len(frame)+4)), frame))
}

func vp9Picture() Body {
	w := &bitWriter{}
	w.fields(2, 2, 2, 0, 1, 0, 1, 0, 1, 1, 1, 0) // profile, no frame that exists, key, shown
	w.fields(24, 0x498342, 3, 1, 1, 0, 16, 16383, 16, 16383, 1, 0, 64, 0x1234)
	return mkvOf("V_VP9", nil, append(w.b, zeros(300)...))
}

func av1Picture() Body {
	w := &bitWriter{}
	w.fields(3, 0, 1, 0, 1, 1, 5, 31, 4, 15, 4, 15, 16, 65535, 16, 65535, 32, 0) // profile, then a reduced still picture header
	sequence := cat([]byte{0x0a, byte(len(w.b))}, w.b)
	return mkvOf("V_AV1", cat([]byte{0x81, 0x1f, 0, 0}, sequence), cat([]byte{0x12, 0}, sequence, []byte{0x32, 100}, zeros(100)))
}

func mpeg4Picture() Body {
	w := &bitWriter{}
	w.fields(32, 0x100, 32, 0x120, 1, 0, 8, 1, 1, 0, 4, 1, 1, 0, 2, 0) // rectangular
	w.fields(1, 1, 16, 25, 2, 2, 1, 1, 13, 8191, 1, 1, 13, 8191, 1, 1, 1, 0, 1, 1, 12, 0)
	frame := cat(w.b, be32(0x1b6), []byte{0x10, 0x40, 0x11}, zeros(300))
	stream := list("strl", strh("vids", "XVID"), bitmap("XVID", 320, 180))
	return Body{held(avi(stream, 1, list("movi", times(30, func(int) []byte { return chunk("00dc", frame) }))))}
}

func oddAAC() Body {
	configs := [][]byte{{0x17, 0x80, 0, 0, 0, 0, 0, 0, 0, 0}, {0x12, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0x11, 0xb8}, {0xf8, 0xe8, 0x50, 0x00}, {0xff, 0xff, 0xff, 0xff}}
	made := func(at uint32) []byte {
		return cat(ftyp(), moov(2, times(len(configs), func(i int) []byte {
			tables := cat(stts(60, 1024), stsz(50, 60), stsc(60), stco(at))
			return mp4Track{id: uint32(i + 1), sound: true, seconds: 2, timescale: 48000, entry: mp4a(configs[i]), tables: tables}.box()
		})))
	}
	return Body{held(made(uint32(len(made(0))+8)), box("mdat", bytesOf(0x5a, 3000)))}
}

func pcmTrack() Body {
	t := mp4Track{sound: true, timescale: 192_000, entry: sound("in24", 64, 0, nil)}
	return trackOf(t, 384_000, 1, zeros(64*3))
}
