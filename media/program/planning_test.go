package program

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/input"
)

func TestATrackIsCopiedOnlyWhenTheRoomTakesIt(t *testing.T) {
	rules := media.Rules{
		Video: []media.Codec{media.H264}, Audio: []media.Codec{media.AAC}, MaxWidth: 1920, MaxHeight: 1080,
		PixelFormats: []string{"yuv420p"}, AudioProfiles: []string{"LC"}, MaxChannels: 2, MaxSampleRate: 48000,
	}
	video := media.Track{Type: media.Video, Codec: media.H264, Width: 1080, Height: 1920, PixelFormat: "yuv420p"}
	audio := media.Track{Type: media.Audio, Codec: media.AAC, Profile: "LC", SampleRate: 44100, Channels: 2}
	for name, c := range map[string]struct {
		track  media.Track
		seen   input.ProbeResult
		reason string
	}{
		"portrait 1080p":              {track: video},
		"another codec":               {track: media.Track{Type: media.Video, Codec: "hevc"}, reason: "codec hevc"},
		"B-frames":                    {track: video, seen: input.ProbeResult{Reordered: true}, reason: "B-frames"},
		"10 bit":                      {track: media.Track{Type: media.Video, Codec: media.H264, PixelFormat: "yuv420p10le"}, reason: "pixel format yuv420p10le"},
		"HDR in 8 bit":                {track: media.Track{Type: media.Video, Codec: media.H264, PixelFormat: "yuv420p", HDR: true}, reason: "HDR"},
		"anamorphic":                  {track: media.Track{Type: media.Video, Codec: media.H264, Width: 720, Height: 576, Display: media.Display{Pixels: media.PixelShape{Width: 64, Height: 45}}}, reason: "pixels of 64:45"},
		"mirrored":                    {track: media.Track{Type: media.Video, Codec: media.H264, Display: media.Display{Mirrored: true, Rotation: 180}}, reason: "mirrored"},
		"interlaced":                  {track: media.Track{Type: media.Video, Codec: media.H264, Interlaced: true}, reason: "interlaced"},
		"nearly square":               {track: media.Track{Type: media.Video, Codec: media.H264, Width: 720, Height: 576, Display: media.Display{Pixels: media.PixelShape{Width: 4320, Height: 4319}}}},
		"a cut":                       {track: video, seen: input.ProbeResult{Cut: true}, reason: "the edit list cuts into a group of pictures"},
		"4K":                          {track: media.Track{Type: media.Video, Codec: media.H264, Width: 3840, Height: 2160}, reason: "size 3840x2160"},
		"stereo AAC":                  {track: audio},
		"another audio":               {track: media.Track{Type: media.Audio, Codec: "opus"}, reason: "codec opus"},
		"surround sound":              {track: media.Track{Type: media.Audio, Codec: media.AAC, Channels: 6}, reason: "6 channels"},
		"studio audio":                {track: media.Track{Type: media.Audio, Codec: media.AAC, SampleRate: 96000}, reason: "96000 Hz"},
		"HE-AAC by its configuration": {track: media.Track{Type: media.Audio, Codec: media.AAC, Profile: "LC", Extradata: []byte{0x2b, 0x11, 0x88, 0}}, reason: "AAC profile HE-AAC"},
		"HE-AAC by an extension of its configuration": {track: media.Track{Type: media.Audio, Codec: media.AAC, Profile: "LC", Extradata: []byte{0x13, 0x10, 0x56, 0xe5, 0x98}}, reason: "AAC profile HE-AAC"},
		"an extension that is not there":              {track: media.Track{Type: media.Audio, Codec: media.AAC, Profile: "LC", Extradata: []byte{0x13, 0x10, 0x56, 0xe5, 0}}},
		"LC by its configuration":                     {track: media.Track{Type: media.Audio, Codec: media.AAC, Profile: "LC", Extradata: []byte{0x11, 0x90}}},
		"another profile":                             {track: media.Track{Type: media.Audio, Codec: media.AAC, Profile: "HE-AAC"}, reason: "AAC profile HE-AAC"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := planTracks(rules, []media.Track{c.track}, c.seen, media.Options{})
			got := plan.Video
			if c.track.Type == media.Audio {
				got = plan.Audio
			}
			if c.reason == "" {
				require.Equal(t, media.Copy, got.Action)
				require.NoError(t, copyable(plan))
				return
			}
			require.Equal(t, &media.TrackPlan{Action: media.Transcode, Reason: c.reason}, got)
			require.Equal(t, media.KindSourceUnsupported, media.KindOf(copyable(plan)))
			require.ErrorContains(t, copyable(plan), c.reason)
		})
	}
}

func TestInterlacedPicturesAreCopiedWhereNothingMayBeReencoded(t *testing.T) {
	video := media.Track{Type: media.Video, Codec: media.H264, Interlaced: true}
	plan := planTracks(media.Rules{Video: []media.Codec{media.H264}}, []media.Track{video}, input.ProbeResult{}, media.Options{Transcode: media.TranscodeNever})
	require.Equal(t, media.Copy, plan.Video.Action)
	require.Contains(t, plan.Video.Reason, "interlaced")
	require.NoError(t, copyable(plan))
}

func TestARateThatWasAskedForIsKeptWhateverTheSourceSays(t *testing.T) {
	asked := media.Options{Video: media.VideoOptions{FPS: 30}}
	for name, c := range map[string]struct {
		fps    float64 // as it says
		shown  time.Duration
		action media.Action
	}{
		"slower":              {fps: 25, shown: 40 * time.Millisecond, action: media.Copy},
		"as asked":            {fps: 30, shown: 33 * time.Millisecond, action: media.Copy},
		"faster":              {fps: 60, shown: 17 * time.Millisecond, action: media.Transcode},
		"faster than it says": {fps: 15, shown: 17 * time.Millisecond, action: media.Transcode},
		"without a rate":      {action: media.Transcode},
	} {
		t.Run(name, func(t *testing.T) {
			var s input.ProbeResult
			var rate bitstream.RateWatch
			for i := range 8 {
				s.Fps = rate.Fps(media.Packet{DTS: time.Second + time.Duration(i)*c.shown})
			}
			plan := planTracks(media.Rules{Video: []media.Codec{media.H264}}, []media.Track{{Type: media.Video, Codec: media.H264, FPS: c.fps}}, s, asked)
			require.Equal(t, c.action, plan.Video.Action)
		})
	}
}
