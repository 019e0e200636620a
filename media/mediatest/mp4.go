package mediatest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"testing"
)

// rewrite changes a file in place.
func rewrite(path string, change func([]byte) []byte) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, change(data), 0o600)
}

// Shown returns an mp4 whose pictures are to be shown with another matrix: its
// a, b, c and d (ISO/IEC 14496-12, 6.2.2).
func Shown(t testing.TB, path string, matrix [4]int8) []byte {
	t.Helper()
	return show(read(t, path), matrix)
}

// Edited returns an mp4, whose index is behind its media, with an edit list of
// these parts: "1-2.5" is from second 1 to 2.5, "-0.5" half a second of nothing,
// "1-2@0.5" slowed down to half.
func Edited(t testing.TB, path string, parts []string) []byte {
	t.Helper()
	return edit(read(t, path), parts)
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// sbr says of an mp4's AAC of 24 kHz that it is HE-AAC of 48 (ISO/IEC 14496-3,
// 1.6.6.2: ffmpeg's configuration has the extension, and says that it is not
// there). Its upper half is silent.
func sbr(mp4 []byte) []byte {
	return bytes.ReplaceAll(mp4, []byte{0x13, 0x10, 0x56, 0xe5, 0}, []byte{0x13, 0x10, 0x56, 0xe5, 0x98})
}

// show writes the matrix into the first track, which is the picture.
func show(mp4 []byte, matrix [4]int8) []byte {
	header := bytes.Index(mp4, []byte("tkhd")) + 4
	for i, at := range [...]int{40, 44, 52, 56} { // 8.3.2, version 0
		binary.BigEndian.PutUint32(mp4[header+at:], uint32(int32(matrix[i])<<16))
	}
	return mp4
}

// edit gives every track the edit list.
func edit(mp4 []byte, parts []string) []byte {
	at := bytes.LastIndex(mp4, []byte("moov")) - 4
	index := mp4[at:]
	scale := timescale(box(index, "mvhd"))
	var tracks []byte
	for _, trak := range boxes(index[8:], "trak") {
		tracks = append(tracks, editTrack(trak, parts, scale)...)
	}
	first := bytes.Index(index, []byte("trak")) - 4
	moov := append(append([]byte{}, index[8:first]...), tracks...)
	return append(mp4[:at:at], wrap("moov", moov)...)
}

func editTrack(trak []byte, parts []string, scale uint32) []byte {
	old := box(trak, "elst")
	primed := binary.BigEndian.Uint32(old[12:]) // of its first entry: priming and reordering
	media := float64(timescale(box(trak, "mdhd")))
	list := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(len(parts)))
	for _, part := range parts {
		var from, to float64
		rate := 1.0
		if n, _ := fmt.Sscanf(part, "%g-%g@%g", &from, &to, &rate); n < 2 {
			from, to = 0, 0
			_, _ = fmt.Sscanf(part, "-%g", &to)
			list = binary.BigEndian.AppendUint32(list, uint32(to*float64(scale)))
			list = append(list, 0xff, 0xff, 0xff, 0xff, 0, 1, 0, 0)
			continue
		}
		length := to - from
		if rate > 0 {
			length /= rate
		}
		list = binary.BigEndian.AppendUint32(list, uint32(length*float64(scale)+0.5))
		list = binary.BigEndian.AppendUint32(list, primed+uint32(from*media+0.5))
		list = binary.BigEndian.AppendUint32(list, uint32(rate*(1<<16)))
	}
	begin := bytes.Index(trak, []byte("edts")) - 4
	end := begin + int(binary.BigEndian.Uint32(trak[begin:]))
	body := append([]byte{}, trak[8:begin]...)
	body = append(append(body, wrap("edts", wrap("elst", list))...), trak[end:]...)
	return wrap("trak", body)
}

// timescale is that of a version 0 mvhd or mdhd (8.2.2, 8.4.2).
func timescale(header []byte) uint32 { return binary.BigEndian.Uint32(header[12:]) }

// box returns what is in the first box of a kind, wherever it is.
func box(data []byte, kind string) []byte {
	return data[bytes.Index(data, []byte(kind))+4:]
}

// boxes returns the boxes of a kind among those of data.
func boxes(data []byte, kind string) (found [][]byte) {
	for len(data) >= 8 {
		size := binary.BigEndian.Uint32(data)
		if string(data[4:8]) == kind {
			found = append(found, data[:size])
		}
		data = data[size:]
	}
	return found
}

func wrap(kind string, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)+8))
	return append(append(b, kind...), body...)
}
