package libav_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

func TestWhatCamerasSendIsPlayed(t *testing.T) {
	t.Parallel()
	sound := func(codec string) mediatest.Spec {
		return mediatest.Spec{VideoCodec: mediatest.None, AudioCodec: codec, Container: "matroska"}
	}
	picture := func(codec, container string) mediatest.Spec {
		return mediatest.Spec{VideoCodec: codec, AudioCodec: mediatest.None, Container: container, Width: 320, Height: 176}
	}
	for name, c := range map[string]struct {
		spec  mediatest.Spec
		codec media.Codec
	}{
		"HEVC":     {picture("hevc", "mpegts"), "hevc"},
		"MPEG-4":   {picture("mpeg4", "avi"), "mpeg4"},
		"MPEG-2":   {picture("mpeg2video", "mpegts"), "mpeg2video"},
		"VP8":      {picture("vp8", "webm"), "vp8"},
		"B-frames": {mediatest.Spec{BFrames: 2, AudioCodec: mediatest.None, Container: "mpegts", Width: 320, Height: 176}, "h264"},
		"MP3":      {sound("mp3"), "mp3"},
		"Opus":     {sound("opus"), "opus"},
		"G.711":    {mediatest.Spec{VideoCodec: mediatest.None, AudioCodec: "pcm_alaw", Container: "wav", Args: []string{"-ar", "8000", "-ac", "1"}}, "pcm_alaw"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := openURL(t, mediatest.StartRTSP(t, "", "").Publish(t, mediatest.Clip(t, c.spec), "a"))
			require.NoError(t, err)
			track := s.Info().Tracks[0]
			require.Equal(t, c.codec, track.Codec)
			if track.Type == media.Video {
				require.Equal(t, []int{320, 176}, []int{track.Width, track.Height})
			} else {
				require.Positive(t, track.SampleRate)
				require.Positive(t, track.Channels)
			}
			var last time.Duration
			for i := range 20 {
				p, err := s.ReadPacket()
				require.NoError(t, err)
				if track.Type == media.Video && i > 0 && !p.NoDTS {
					require.Greater(t, p.DTS, last)
					require.GreaterOrEqual(t, p.PTS, p.DTS)
				}
				last = p.DTS
			}
		})
	}
}
