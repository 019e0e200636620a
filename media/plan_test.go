package media

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestATrackIsCopiedOnlyWhenTheRoomTakesIt(t *testing.T) {
	rules := Rules{
		Video: []Codec{H264}, Audio: []Codec{AAC}, MaxWidth: 1920, MaxHeight: 1080,
		PixelFormats: []string{"yuv420p"}, AudioProfiles: []string{"LC"}, MaxChannels: 2, MaxSampleRate: 48000,
	}
	video := Track{Type: Video, Codec: H264, Width: 1080, Height: 1920, PixelFormat: "yuv420p"}
	audio := Track{Type: Audio, Codec: AAC, Profile: "LC", SampleRate: 44100, Channels: 2}
	for name, c := range map[string]struct {
		track  Track
		seen   seen
		reason string
	}{
		"portrait 1080p":              {track: video},
		"another codec":               {track: Track{Type: Video, Codec: "hevc"}, reason: "codec hevc"},
		"B-frames":                    {track: video, seen: seen{reordered: true}, reason: "B-frames"},
		"10 bit":                      {track: Track{Type: Video, Codec: H264, PixelFormat: "yuv420p10le"}, reason: "pixel format yuv420p10le"},
		"HDR in 8 bit":                {track: Track{Type: Video, Codec: H264, PixelFormat: "yuv420p", HDR: true}, reason: "HDR"},
		"anamorphic":                  {track: Track{Type: Video, Codec: H264, Width: 720, Height: 576, Pixels: PixelShape{Width: 64, Height: 45}}, reason: "pixels of 64:45"},
		"mirrored":                    {track: Track{Type: Video, Codec: H264, Mirrored: true, Rotation: 180}, reason: "mirrored"},
		"interlaced":                  {track: Track{Type: Video, Codec: H264, Interlaced: true}, reason: "interlaced"},
		"nearly square":               {track: Track{Type: Video, Codec: H264, Width: 720, Height: 576, Pixels: PixelShape{Width: 4320, Height: 4319}}},
		"a cut":                       {track: video, seen: seen{cut: true}, reason: "the edit list cuts into a group of pictures"},
		"4K":                          {track: Track{Type: Video, Codec: H264, Width: 3840, Height: 2160}, reason: "size 3840x2160"},
		"stereo AAC":                  {track: audio},
		"another audio":               {track: Track{Type: Audio, Codec: "opus"}, reason: "codec opus"},
		"surround sound":              {track: Track{Type: Audio, Codec: AAC, Channels: 6}, reason: "6 channels"},
		"studio audio":                {track: Track{Type: Audio, Codec: AAC, SampleRate: 96000}, reason: "96000 Hz"},
		"HE-AAC by its configuration": {track: Track{Type: Audio, Codec: AAC, Profile: "LC", Extradata: []byte{0x2b, 0x11, 0x88, 0}}, reason: "AAC profile HE-AAC"},
		"HE-AAC by an extension of its configuration": {track: Track{Type: Audio, Codec: AAC, Profile: "LC", Extradata: []byte{0x13, 0x10, 0x56, 0xe5, 0x98}}, reason: "AAC profile HE-AAC"},
		"an extension that is not there":              {track: Track{Type: Audio, Codec: AAC, Profile: "LC", Extradata: []byte{0x13, 0x10, 0x56, 0xe5, 0}}},
		"LC by its configuration":                     {track: Track{Type: Audio, Codec: AAC, Profile: "LC", Extradata: []byte{0x11, 0x90}}},
		"another profile":                             {track: Track{Type: Audio, Codec: AAC, Profile: "HE-AAC"}, reason: "AAC profile HE-AAC"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := planTracks(rules, []Track{c.track}, c.seen, Options{})
			got := plan.Video
			if c.track.Type == Audio {
				got = plan.Audio
			}
			if c.reason == "" {
				require.Equal(t, Copy, got.Action)
				require.NoError(t, copyable(plan))
				return
			}
			require.Equal(t, &TrackPlan{Action: Transcode, Reason: c.reason}, got)
			require.Equal(t, KindSourceUnsupported, KindOf(copyable(plan)))
			require.ErrorContains(t, copyable(plan), c.reason)
		})
	}
}

func TestInterlacedPicturesAreCopiedWhereNothingMayBeReencoded(t *testing.T) {
	video := Track{Type: Video, Codec: H264, Interlaced: true}
	plan := planTracks(Rules{Video: []Codec{H264}}, []Track{video}, seen{}, Options{Transcode: TranscodeNever})
	require.Equal(t, Copy, plan.Video.Action)
	require.Contains(t, plan.Video.Reason, "interlaced")
	require.NoError(t, copyable(plan))
}

func TestARateThatWasAskedForIsKeptWhateverTheSourceSays(t *testing.T) {
	asked := Options{Video: VideoWish{FPS: 30}}
	for name, c := range map[string]struct {
		fps    float64 // as it says
		shown  time.Duration
		action Action
	}{
		"slower":              {fps: 25, shown: 40 * time.Millisecond, action: Copy},
		"as asked":            {fps: 30, shown: 33 * time.Millisecond, action: Copy},
		"faster":              {fps: 60, shown: 17 * time.Millisecond, action: Transcode},
		"faster than it says": {fps: 15, shown: 17 * time.Millisecond, action: Transcode},
		"without a rate":      {action: Transcode},
	} {
		t.Run(name, func(t *testing.T) {
			var s seen
			var rate rateWatch
			for i := range 8 {
				s.fps = rate.fps(Packet{DTS: time.Second + time.Duration(i)*c.shown})
			}
			plan := planTracks(Rules{Video: []Codec{H264}}, []Track{{Type: Video, Codec: H264, FPS: c.fps}}, s, asked)
			require.Equal(t, c.action, plan.Video.Action)
		})
	}
}
