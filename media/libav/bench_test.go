package libav

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
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

// inMemory is a source that costs nothing to read, and counts what is read of it.
type inMemory struct {
	*bytes.Reader
	read int
}

func (m *inMemory) Read(to []byte) (int, error) {
	n, err := m.Reader.Read(to)
	m.read += n
	return n, err
}

func (m *inMemory) Seekable() bool { return true }
func (m *inMemory) Size() int64    { return m.Reader.Size() }

func (m *inMemory) Open(_ context.Context, r media.SourceRequest) (media.Way, error) {
	return media.Way{URL: r.URL, Bytes: m, Recorded: true}, nil
}

// usedCPU is the process's.
func usedCPU(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFirstPacket is from the open to the first packet of a 720p source in memory.
func BenchmarkFirstPacket(b *testing.B) {
	for _, file := range []string{"first.mp4", "first-fragmented.mp4", "first.mkv", "first.ts", "first.flv"} {
		args := []string{
			"-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30", "-f", "lavfi", "-i", "sine=sample_rate=48000",
			"-t", "10", "-c:v", "libx264", "-preset", "veryfast", "-b:v", "2M", "-g", "60", "-bf", "2", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2",
		}
		switch file {
		case "first.mp4":
			args = append(args, "-movflags", "+faststart")
		case "first-fragmented.mp4":
			args = append(args, "-movflags", "+frag_keyframe+empty_moov+default_base_moof")
		}
		ffmpeg(b, append(args, clips.dir+"/"+file)...)
		data, err := os.ReadFile(clips.dir + "/" + file)
		require.NoError(b, err)
		b.Run(file, func(b *testing.B) {
			began, read := usedCPU(b), 0
			for b.Loop() {
				m := &inMemory{Reader: bytes.NewReader(data)}
				s, err := NewOpener(Config{}).Demux(b.Context(), media.SourceRequest{URL: media.Secret("http://source/" + file)}, m)
				require.NoError(b, err)
				_, err = s.ReadPacket()
				require.NoError(b, err)
				read = m.read
				s.Close()
			}
			b.ReportMetric(float64(usedCPU(b)-began)/float64(b.N)/1e6, "cpu-ms/op")
			b.ReportMetric(float64(read), "bytes-read/op")
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
