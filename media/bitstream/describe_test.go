package bitstream

import "testing"

func FuzzDescribeTracks(f *testing.F) {
	f.Add([]byte{1, 0x42, 0xc0, 0x28, 0xff, 0xe1, 0, 4, 0x67, 0x42, 0xc0, 0x28, 1, 0, 1, 0x68})
	f.Add([]byte{0x11, 0x90})
	f.Add([]byte{0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x28, 1, 0, 0, 1, 0x68, 0xce})
	f.Add([]byte{0xff, 0xf1, 0x4c, 0x80, 0x01, 0x1f, 0xfc, 1})
	f.Fuzz(func(t *testing.T, config []byte) {
		if v, sure := DescribeH264(config); sure && (v.Width <= 0 || v.Height <= 0) {
			t.Fatal("a picture without a size")
		}
		if a, packet, sure := DescribeAAC(config); sure && (a.SampleRate <= 0 || a.Channels <= 0 || packet < 0) {
			t.Fatal("sound without a rate")
		}
		if a, _, sure := DescribeADTS(config); sure && (a.SampleRate <= 0 || a.Channels <= 0) {
			t.Fatal("sound with a header without a rate")
		}
		if avcc := AVCC(config); avcc != nil && !isAVCC(avcc) {
			t.Fatal("a decoder configuration that is none")
		}
		if depth, told := ReorderH264(config); told && depth < 0 {
			t.Fatal("pictures ahead of themselves")
		}
	})
}
