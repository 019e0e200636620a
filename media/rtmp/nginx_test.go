package rtmp

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

// TestARoomOfNginx publishes a clip of x264 to nginx, which records it, and
// learns from it what a name in use is.
func TestARoomOfNginx(t *testing.T) {
	clip := makeClip(t)
	tracks, packets := readFLV(t, clip)
	nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
	a := media.PublishAddress{URL: media.Secret(nginx.RTMP + "/push/room_1?usersig=" + testSig)}

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	p, err := (&Dialer{}).Dial(ctx, a, tracks)
	require.NoError(t, err)
	for _, pkt := range packets {
		require.NoError(t, write(ctx, p, pkt))
	}
	require.NoError(t, p.Close(ctx))

	recorded := nginx.Recordings("room_1")
	require.Len(t, recorded, 1)
	var got []media.Packet
	require.Eventually(t, func() bool {
		b, err := os.ReadFile(recorded[0])
		require.NoError(t, err)
		_, got = readFLV(t, b)
		return len(got) == len(packets)
	}, 10*time.Second, 20*time.Millisecond, "nginx writes what is left")
	require.Equal(t, packets, got)
	run(t, "ffmpeg", "-v", "error", "-xerror", "-i", recorded[0], "-f", "null", "-")

	again, err := (&Dialer{}).Dial(ctx, a, tracks)
	require.NoError(t, err, "the name is free as soon as Close returns")
	_, err = (&Dialer{}).Dial(ctx, a, tracks)
	require.Equal(t, media.KindRoomConflict, media.KindOf(err))
	require.ErrorContains(t, err, `NetStream.Publish.BadName: "Already publishing"`)
	require.NoError(t, again.Close(ctx))
}

func makeClip(t *testing.T) []byte {
	t.Helper()
	return run(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25:duration=2",
		"-f", "lavfi", "-i", "sine=sample_rate=48000:duration=2", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0",
		"-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2", "-f", "flv", "-")
}

func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	var out, diagnostics bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	require.NoError(t, cmd.Run(), "%s %s: %s (scripts/deps test installs it)", name, strings.Join(args, " "), &diagnostics)
	require.Empty(t, diagnostics.String())
	return out.Bytes()
}

// readFLV takes an FLV file apart (E.3, E.4): what the demuxer does elsewhere.
func readFLV(t *testing.T, b []byte) (tracks []media.Track, packets []media.Packet) {
	t.Helper()
	index := map[byte]int{}
	if len(b) < 13 {
		return nil, nil
	}
	require.Equal(t, "FLV", string(b[:3]))
	for b = b[13:]; len(b) > 15; {
		kind := b[0]
		size := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		if len(b) < 15+size { // still being written
			break
		}
		at := time.Duration(binary.BigEndian.Uint32([]byte{b[7], b[4], b[5], b[6]})) * time.Millisecond
		body := b[11 : 11+size]
		b = b[15+size:]
		if kind != typeAudio && kind != typeVideo || size < 2 {
			continue
		}
		header, track := 2, media.Track{Type: media.Audio, Codec: media.AAC, SampleRate: 48000, Channels: 2}
		if kind == typeVideo {
			header, track = 5, media.Track{Type: media.Video, Codec: media.H264, Width: 320, Height: 240, FPS: 25}
		}
		switch body[1] {
		case flvConfig:
			if _, again := index[kind]; again { // nginx repeats it
				continue
			}
			index[kind] = len(tracks)
			track.Extradata = body[header:]
			tracks = append(tracks, track)
		case flvFrame:
			packets = append(packets, media.Packet{Track: index[kind], PTS: at, DTS: at,
				Keyframe: kind == typeVideo && body[0]>>4 == 1, Data: body[header:]})
		}
	}
	return tracks, packets
}
