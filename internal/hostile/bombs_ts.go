package hostile

const tsSize = 188

// tsPackets cuts a payload of one PID into packets (ISO/IEC 13818-1, 2.4.3).
func tsPackets(pid int, payload []byte) []byte {
	var out []byte
	for i := 0; len(payload) > 0; i++ {
		start := byte(0)
		if i == 0 {
			start = 0x40
		}
		n := min(len(payload), tsSize-4)
		p := []byte{0x47, start | byte(pid>>8), byte(pid), 0x10 | byte(i&15)}
		if fill := tsSize - 4 - n; fill > 0 {
			p[3] |= 0x20
			p = append(p, byte(fill-1))
			if fill > 1 {
				p = append(append(p, 0), bytesOf(0xff, fill-2)...)
			}
		}
		out, payload = append(append(out, p...), payload[:n]...), payload[n:]
	}
	return out
}

// section is a PSI section with its CRC, padded to whole packets.
func section(pid int, table byte, id, number, last int, body []byte) []byte {
	s := cat([]byte{table}, be16(uint16(0xb000|len(body)+9)), be16(uint16(id)), []byte{0xc1, byte(number), byte(last)}, body)
	s = cat([]byte{0}, s, be32(crcMPEG(0xffffffff, s)))
	if rest := len(s) % (tsSize - 4); rest > 0 {
		s = append(s, bytesOf(0xff, tsSize-4-rest)...)
	}
	return tsPackets(pid, s)
}

// crcMPEG goes on with a checksum (ISO 13818-1, Annex A), which Ogg's is, too.
func crcMPEG(crc uint32, b []byte) uint32 {
	for _, c := range b {
		crc ^= uint32(c) << 24
		for range 8 {
			if crc&0x80000000 != 0 {
				crc = crc<<1 ^ 0x04c11db7
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

func program(number, pid int) []byte { return be16(uint16(number), uint16(0xe000|pid)) }

func pat(programs ...[]byte) []byte { return section(0, 0, 1, 0, 0, cat(programs...)) }

// pmt names PIDs with a type of stream.
func pmt(pid, number int, kind byte, streams ...int) []byte {
	body := be16(uint16(0xe000|0x1fff), 0xf000)
	for _, s := range streams {
		body = cat(body, []byte{kind}, be16(uint16(0xe000|s), 0xf000))
	}
	return section(pid, 2, number, 0, 0, body)
}

// pes is a PES packet of unknown length with a PTS of 0.
func pes(stream byte, data []byte) []byte {
	return cat([]byte{0, 0, 1, stream, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1}, data)
}

func sequence(from, n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = from + i
	}
	return all
}

func tsBombs() []Bomb {
	return []Bomb{
		{Name: "ts: 570 PIDs", Worst: true, file: ".ts", body: manyPIDs(3, 190, 20<<10)},
		{Name: "ts: 8000 PIDs", file: ".ts", body: manyPIDs(40, 200, 2000)},
		{Name: "ts: 8191 programs", file: ".ts", body: programs},
		{Name: "ts: a picture without end", file: ".ts", endless: true, body: endlessPES},
		{Name: "ts: private sections without end", file: ".ts", endless: true, body: endlessSections},
		{Name: "ts: tables of programs that change without end", file: ".ts", endless: true, body: changingTables},
		{Name: "ts: nothing but padding", file: ".ts", endless: true, body: padding},
	}
}

// manyPIDs has as many programs with as many streams, each of which sends size
// bytes, a packet at a time.
func manyPIDs(programs, streams, size int) func() Body {
	return func() Body {
		var names, tables, starts, media []byte
		for p := range programs {
			first := 0x100 + p*(streams+1)
			names = cat(names, program(p+1, first))
			tables = append(tables, pmt(first, p+1, 0x1b, sequence(first+1, streams)...)...)
			for s := range streams {
				packets := tsPackets(first+1+s, pes(0xe0, zeros(size)))
				starts, media = append(starts, packets[:tsSize]...), append(media, packets[tsSize:]...)
			}
		}
		return Body{held(pat(names), tables, starts, media)}
	}
}

func programs() Body {
	const inSection = 250
	var all []byte
	for s := range 32 {
		list := times(inSection, func(i int) []byte { return program(s*inSection+i+1, 0x20+(s*inSection+i)%0x1f00) })
		all = append(all, section(0, 0, 1, s, 31, list)...)
	}
	for i := range 7900 {
		all = append(all, pmt(0x20+i, i+1, 0x1b, 0x20+(i+1)%0x1f00)...)
	}
	return Body{held(all)}
}

func endlessPES() Body {
	begin := cat(pat(program(1, 0x100)), pmt(0x100, 1, 0x1b, 0x101), tsPackets(0x101, pes(0xe0, annexB(sps(20, 12), pps()))))
	return Body{held(begin), repeated(cat([]byte{0x47, 1, 1, 0x10}, zeros(184)), endlessly)}
}

func endlessSections() Body {
	begin := cat(pat(program(1, 0x100)), pmt(0x100, 1, 0x05, sequence(0x101, 100)...))
	return Body{held(begin), repeated(times(100, func(i int) []byte { return section(0x101+i, 0x70, 1, 0, 0, zeros(900)) }), endlessly)}
}

func changingTables() Body {
	tables := times(200, func(i int) []byte {
		return cat(pat(program(i+1, 0x100+i)), pmt(0x100+i, i+1, 0x1b, sequence(0x300+i*30, 30)...))
	})
	return Body{repeated(tables, endlessly)}
}

func padding() Body {
	return Body{held(pat(program(1, 0x100))), repeated(cat([]byte{0x47, 0x1f, 0xff, 0x10}, bytesOf(0xff, 184)), endlessly)}
}
