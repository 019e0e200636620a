package hostile

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// inOrder writes numbers one after the other.
func inOrder[T any](put func([]byte, T) []byte, numbers []T) (b []byte) {
	for _, n := range numbers {
		b = put(b, n)
	}
	return b
}

func be16(v ...uint16) []byte { return inOrder(binary.BigEndian.AppendUint16, v) }
func be32(v ...uint32) []byte { return inOrder(binary.BigEndian.AppendUint32, v) }
func be64(v ...uint64) []byte { return inOrder(binary.BigEndian.AppendUint64, v) }
func le16(v ...uint16) []byte { return inOrder(binary.LittleEndian.AppendUint16, v) }
func le32(v ...uint32) []byte { return inOrder(binary.LittleEndian.AppendUint32, v) }
func le64(v ...uint64) []byte { return inOrder(binary.LittleEndian.AppendUint64, v) }

func be24(v int) []byte { return []byte{byte(v >> 16), byte(v >> 8), byte(v)} }

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

func zeros(n int) []byte { return make([]byte, n) }

func bytesOf(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }

// times returns what each makes, n times, one after another.
func times(n int, each func(i int) []byte) []byte {
	var b bytes.Buffer
	for i := range n {
		b.Write(each(i))
	}
	return b.Bytes()
}
