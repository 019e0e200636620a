package hostile

import (
	"bytes"
	"compress/flate"
	"hash/adler32"
	"hash/crc32"
)

// block is how many zeros are packed at once.
const block = 1 << 20

// deflated is before, size zeros and behind by DEFLATE (RFC 1951). What a block of
// zeros behind another one becomes refers to zeros only, so that it is made once and
// stands for all.
func deflated(before []byte, size int, behind []byte) []byte {
	var z bytes.Buffer
	w, _ := flate.NewWriter(&z, flate.BestSpeed) // a level that exists, and a buffer that takes all
	_, _ = w.Write(cat(before, zeros(size%block+block)))
	_ = w.Flush()
	first := z.Len()
	_, _ = w.Write(zeros(block))
	_ = w.Flush()
	z.Write(bytes.Repeat(z.Bytes()[first:], size/block-2))
	_, _ = w.Write(behind)
	_ = w.Close()
	return z.Bytes()
}

// zlibbed is before and size zeros as zlib has it (RFC 1950).
func zlibbed(before []byte, size int) []byte {
	const base = 65521 // of its checksum, whose lower half a zero leaves as it is and adds to the upper
	sum := adler32.Checksum(before)
	lower, upper := sum&0xffff, sum>>16
	upper = (upper + lower*uint32(size%base)%base) % base
	return cat([]byte{0x78, 1}, deflated(before, size, nil), be32(upper<<16|lower))
}

// gzipped is before, size zeros and behind as gzip has it (RFC 1952).
func gzipped(before []byte, size int, behind []byte) []byte {
	sum := crc32.ChecksumIEEE(cat(before, zeros(size%block)))
	zero := zeros(block)
	for range size / block {
		sum = crc32.Update(sum, crc32.IEEETable, zero)
	}
	sum = crc32.Update(sum, crc32.IEEETable, behind)
	return cat([]byte{0x1f, 0x8b, 8}, zeros(6), []byte{255}, deflated(before, size, behind), le32(sum, uint32(len(before)+size+len(behind))))
}
