package matrix

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/host"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// once is a source whose bytes can be read once, as those of a live one and of a
// playlist's segments.
type once struct {
	*bytes.Reader
	url media.Secret
}

func (o once) Seekable() bool                 { return false }
func (o once) Size() int64                    { return -1 }
func (o once) Seek(int64, int) (int64, error) { return 0, errors.ErrUnsupported }
func (o once) Open(context.Context, media.SourceRequest) (media.Way, error) {
	return media.Way{Bytes: o, URL: o.url}, nil
}

// packetsOnce reads it through hosts of p. Of every so many packets one is the last of
// its host; 0 is for none.
func packetsOnce(t *testing.T, p *host.Pool, file []byte, url media.Secret, every int) []media.Packet {
	t.Helper()
	s, err := p.Demux(t.Context(), media.SourceRequest{Conduct: &media.Conduct{}}, once{bytes.NewReader(file), url})
	require.NoError(t, err)
	defer func() { _ = s.Close() }()
	var all []media.Packet
	for n := 1; ; n++ {
		packet, err := s.ReadPacket()
		if err == io.EOF { //nolint:errorlint // as media.Source has it
			return all
		}
		require.NoError(t, err, "after %d packets", n-1)
		packet.Offset = 0
		all = append(all, packet)
		if every > 0 && n%every == 0 {
			for _, pid := range p.PIDs() {
				if err := syscall.Kill(pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) { // it has just ended
					require.NoError(t, err)
				}
			}
		}
	}
}

func TestOfASourceThatIsReadOnceNothingIsLostWhenItsHostsDie(t *testing.T) {
	t.Parallel()
	pool, err := host.New(t.Context(), host.Config{Command: []string{os.Args[0], hostArgument}, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	fragments := []string{"-movflags", "frag_keyframe+empty_moov+default_base_moof"}
	for name, c := range map[string]struct {
		url  media.Secret
		spec mediatest.Spec
	}{
		"MPEG-TS":             {"http://host/live", mediatest.Spec{Container: "mpegts"}},
		"MPEG-TS, B-frames":   {"http://host/a.ts", mediatest.Spec{Container: "mpegts", BFrames: 2}},
		"MPEG-TS, sound":      {"http://host/a.ts", mediatest.Spec{Container: "mpegts", VideoCodec: mediatest.None}},
		"MPEG-TS, picture":    {"http://host/a.ts", mediatest.Spec{Container: "mpegts", AudioCodec: mediatest.None}},
		"FLV":                 {"http://host/a.flv", mediatest.Spec{Container: "flv"}},
		"FLV, B-frames":       {"http://host/a.flv", mediatest.Spec{Container: "flv", BFrames: 2}},
		"Matroska":            {"http://host/a.mkv", mediatest.Spec{Container: "matroska", Seconds: 60}},
		"Matroska, sound":     {"http://host/a.mkv", mediatest.Spec{Container: "matroska", VideoCodec: mediatest.None}},
		"FLV, sound":          {"http://host/a.flv", mediatest.Spec{Container: "flv", VideoCodec: mediatest.None}},
		"fragments, B-frames": {"http://host/a.m4s", mediatest.Spec{Container: "mov", BFrames: 2, Args: fragments}},
		"fragments, sound":    {"http://host/a.m4s", mediatest.Spec{Container: "mov", VideoCodec: mediatest.None, Args: append(slices.Clone(fragments), "-frag_duration", "500000")}},
	} {
		t.Run(name, func(t *testing.T) {
			c.spec.Seconds = cmp.Or(c.spec.Seconds, 30)
			file, err := os.ReadFile(mediatest.Clip(t, c.spec))
			require.NoError(t, err)
			want := packetsOnce(t, pool, file, c.url, 0)
			got := packetsOnce(t, pool, file, c.url, 250)
			require.Len(t, got, len(want))
			for i := range want {
				require.Equal(t, want[i], got[i], "packet %d", i)
			}
			require.Greater(t, len(want), 800)
		})
	}
}
