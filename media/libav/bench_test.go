package libav

import (
	"errors"
	"io"
	"testing"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

func BenchmarkOpen(b *testing.B) {
	server := serve(b)
	for _, c := range containers {
		clip(b, c.file)
		b.Run(c.file, func(b *testing.B) {
			for b.Loop() {
				s, err := NewOpener(Config{}).Demux(b.Context(),
					media.SourceRequest{URL: media.Secret(server + "/" + c.file)}, &passGate{})
				require.NoError(b, err)
				s.Close()
			}
		})
	}
}

func BenchmarkReadPacket(b *testing.B) {
	clip(b, "plain.mp4")
	s, err := open(b, serve(b)+"/plain.mp4")
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, err := s.ReadPacket()
		if errors.Is(err, io.EOF) {
			b.StopTimer()
			require.NoError(b, s.Seek(0))
			b.StartTimer()
		}
	}
}
