package hostile

// box is an mp4 box (ISO/IEC 14496-12, 4.2).
func box(kind string, parts ...[]byte) []byte {
	payload := cat(parts...)
	return cat(be32(uint32(8+len(payload))), []byte(kind), payload)
}

// head is the head of a box whose payload of size bytes comes from elsewhere.
func head(kind string, size int64) []byte {
	if size+8 < 1<<32 {
		return cat(be32(uint32(size+8)), []byte(kind))
	}
	return cat(be32(1), []byte(kind), be64(uint64(size+16)))
}

// full is a box with a version and flags.
func full(kind string, version byte, flags int, parts ...[]byte) []byte {
	return box(kind, append([][]byte{{version}, be24(flags)}, parts...)...)
}

var matrix = be32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)

func ftyp() []byte { return box("ftyp", []byte("isom"), be32(512), []byte("isomiso2avc1mp41")) }

// moov holds an mvhd of seconds and whatever is given.
func moov(seconds uint32, parts ...[]byte) []byte {
	mvhd := full("mvhd", 0, 0, be32(0, 0, 1000, seconds*1000, 0x10000), be16(0x100), zeros(10), matrix, zeros(24), be32(1000))
	return box("moov", append([][]byte{mvhd}, parts...)...)
}

// mp4Track is a trak box: what is not given is as in a plain video.
type mp4Track struct {
	id        uint32
	sound     bool
	seconds   uint32
	timescale uint32
	entry     []byte // the sample entry in stsd
	tables    []byte // the sample tables, stsd apart
	more      []byte // boxes between tkhd and mdia
}

func (t mp4Track) box() []byte {
	handler, media := "vide", full("vmhd", 0, 1, zeros(8))
	if t.sound {
		handler, media = "soun", full("smhd", 0, 0, zeros(4))
	}
	if t.timescale == 0 {
		t.timescale = 1000
	}
	if t.entry == nil {
		t.entry = avc1(320, 180, tinyAVCC)
	}
	volume := be16(0)
	if t.sound {
		volume = be16(0x100)
	}
	tkhd := full("tkhd", 0, 3, be32(0, 0, t.id, 0, t.seconds*1000), zeros(8), be16(0, 0), volume, be16(0), matrix, be32(320<<16, 180<<16))
	dinf := box("dinf", full("dref", 0, 0, be32(1), full("url ", 0, 1)))
	stsd := full("stsd", 0, 0, be32(1), t.entry)
	return box("trak", tkhd, t.more, box("mdia",
		full("mdhd", 0, 0, be32(0, 0, t.timescale, t.seconds*t.timescale), be16(0x55c4, 0)),
		full("hdlr", 0, 0, be32(0), []byte(handler), zeros(12), []byte("h\x00")),
		box("minf", media, dinf, box("stbl", stsd, t.tables))))
}

// tinyAVCC is the decoder configuration of a picture of 320x180.
var tinyAVCC = avcC(sps(20, 12), pps())

// avcC is an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1).
func avcC(sps, pps []byte) []byte {
	return cat([]byte{1, sps[1], sps[2], sps[3], 0xff, 0xe1}, be16(uint16(len(sps))), sps, []byte{1}, be16(uint16(len(pps))), pps)
}

func avc1(width, height uint16, config []byte) []byte {
	return visual("avc1", width, height, box("avcC", config))
}

func visual(kind string, width, height uint16, config []byte) []byte {
	return box(kind, zeros(6), be16(1), zeros(16), be16(width, height), be32(0x480000, 0x480000, 0), be16(1),
		zeros(32), be16(24, 0xffff), config)
}

// mp4a is a sample entry with this AudioSpecificConfig.
func mp4a(config []byte) []byte {
	descriptor := func(tag byte, parts ...[]byte) []byte {
		payload := cat(parts...)
		return cat([]byte{tag, byte(len(payload))}, payload)
	}
	esds := full("esds", 0, 0, descriptor(3, be16(1), []byte{0},
		descriptor(4, []byte{0x40, 0x15, 0, 0, 0}, be32(128000, 128000), descriptor(5, config)), descriptor(6, []byte{2})))
	return sound("mp4a", 2, 48000, esds)
}

func sound(kind string, channels uint16, rate uint32, config []byte) []byte {
	return box(kind, zeros(6), be16(1), zeros(8), be16(channels, 16, 0, 0), be32(rate<<16), config)
}

// stts, stsz, stsc and stco are sample tables of one entry each.
func stts(samples, delta uint32) []byte { return full("stts", 0, 0, be32(1, samples, delta)) }
func stsz(size, samples uint32) []byte  { return full("stsz", 0, 0, be32(size, samples)) }
func stsc(perChunk uint32) []byte       { return full("stsc", 0, 0, be32(1, 1, perChunk, 1)) }
func stco(offset uint32) []byte         { return full("stco", 0, 0, be32(1, offset)) }

// constant are the tables of samples that are all alike, in one chunk.
func constant(samples, size uint32) []byte {
	return cat(stts(samples, 1), stsz(size, samples), stsc(samples), stco(48))
}

// elst is an edit list of one entry: length in milliseconds, and the media time
// that it begins with.
func elst(length, at uint32) []byte {
	return box("edts", full("elst", 0, 0, be32(1, length, at, 0x10000)))
}
