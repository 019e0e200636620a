package media

import "testing"

func FuzzDescribeTracks(f *testing.F) {
	f.Add([]byte{1, 0x42, 0xc0, 0x28, 0xff, 0xe1, 0, 4, 0x67, 0x42, 0xc0, 0x28, 1, 0, 1, 0x68})
	f.Add([]byte{0x11, 0x90})
	f.Fuzz(func(t *testing.T, config []byte) {
		if v, sure := DescribeH264(config); sure && (v.Width <= 0 || v.Height <= 0) {
			t.Fatal("a picture without a size")
		}
		if a, packet, sure := DescribeAAC(config); sure && (a.SampleRate <= 0 || a.Channels <= 0 || packet < 0) {
			t.Fatal("sound without a rate")
		}
	})
}
