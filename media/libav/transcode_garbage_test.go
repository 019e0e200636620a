package libav

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// kinds of sources that a transcoder meets in these tests.
func mixed(tb testing.TB) []source {
	tb.Helper()
	return []source{
		read(tb, made(tb, "mix-h264.ts", withArgs(testPicture(320, 180, 25, "1"), "-c:v", "libx264", "-bf", "3", "-g", "10")...)),
		read(tb, made(tb, "mix-vp9.webm", withArgs(testPicture(320, 180, 25, "1"), "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "10")...)),
		read(tb, made(tb, "mix-hevc.mp4", withArgs(testPicture(240, 240, 25, "1"), "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=10")...)),
		read(tb, made(tb, "mix-mpeg2.ts", withArgs(testPicture(320, 180, 25, "1"), "-c:v", "mpeg2video", "-g", "10")...)),
		read(tb, made(tb, "mix-av1.mkv", withArgs(testPicture(320, 180, 25, "1"), "-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-g", "10")...)),
		read(tb, made(tb, "mix-aac.m4a", withArgs(tone(44100, "1"), "-c:a", "aac")...)),
		read(tb, made(tb, "mix-opus.webm", withArgs(tone(48000, "1"), "-c:a", "libopus")...)),
		read(tb, made(tb, "mix-ac3.ts", withArgs(tone(48000, "1"), "-c:a", "ac3", "-ac", "6")...)),
		read(tb, made(tb, "mix-mp3.mp3", withArgs(tone(44100, "1"), "-c:a", "libmp3lame")...)),
	}
}

func transcoderFor(tb testing.TB, t media.Track) media.Transcoder {
	tb.Helper()
	ts := NewTranscoders(TranscodeConfig{})
	var tc media.Transcoder
	var err error
	if t.Type == media.Video {
		tc, err = ts.Video(t, smallVideo)
	} else {
		tc, err = ts.Audio(t, roomAudio)
	}
	require.NoError(tb, err)
	return tc
}

// spoil changes bytes, cuts, and sometimes puts noise in place of a packet.
func spoil(r *rand.Rand, p media.Packet) media.Packet {
	p.Data = append([]byte(nil), p.Data...)
	switch r.IntN(6) {
	case 0:
		for i := range p.Data {
			p.Data[i] = byte(r.Uint32())
		}
	case 1:
		p.Data = p.Data[:r.IntN(len(p.Data)+1)]
	case 2:
		for range 1 + r.IntN(20) {
			if len(p.Data) > 0 {
				p.Data[r.IntN(len(p.Data))] = byte(r.Uint32())
			}
		}
	case 3:
		p.PTS = time.Duration(r.Int64())
		p.Extradata = p.Data[:min(len(p.Data), r.IntN(100))]
	}
	return p
}

func TestGarbageIsSurvivedAndCounted(t *testing.T) {
	noLeak(t)
	for i, in := range mixed(t) {
		t.Run(string(in.info.Tracks[0].Codec), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(i), 1))
			tc := transcoderFor(t, in.info.Tracks[0])
			defer tc.Close()
			damaged := int64(0)
			last := time.Duration(-1)
			for round := range 20 {
				for _, p := range in.packets {
					p.PTS += time.Duration(round) * time.Second
					p.DTS += time.Duration(round) * time.Second
					out, err := tc.Transcode(spoil(r, p))
					require.NoError(t, err)
					for _, o := range out {
						require.Greater(t, o.PTS, last)
						last = o.PTS
					}
				}
				damaged += tc.Damaged()
			}
			require.Positive(t, damaged)
			// And then it decodes again.
			var out []media.Packet
			for i, p := range in.packets {
				if i == 0 { // noise was its last
					p.Extradata = in.info.Tracks[0].Extradata
				}
				p.PTS += time.Hour
				p.DTS += time.Hour
				got, err := tc.Transcode(p)
				require.NoError(t, err)
				out = append(out, got...)
			}
			got, err := tc.Flush()
			require.NoError(t, err)
			require.Greater(t, len(out)+len(got), 20)
		})
	}
}

func TestNoiseFromTheStartIsNoMedia(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for _, codec := range []media.Codec{"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "theora", "vc1", "wmv3", "prores", "aac", "mp3", "opus", "vorbis", "flac", "alac", "dts", "truehd", "amr_nb", "wmav2"} {
		t.Run(string(codec), func(t *testing.T) {
			for range 20 {
				extra := make([]byte, r.IntN(80))
				for i := range extra {
					extra[i] = byte(r.Uint32())
				}
				track := media.Track{Codec: codec, Extradata: extra, Width: r.IntN(2000), Height: r.IntN(2000)}
				ts := NewTranscoders(TranscodeConfig{})
				tc, err := ts.Video(track, smallVideo)
				if audioOnly[codec] {
					track = media.Track{Type: media.Audio, Codec: codec, Extradata: extra, SampleRate: r.IntN(100_000), Channels: r.IntN(10)}
					tc, err = ts.Audio(track, roomAudio)
				}
				if err != nil {
					require.Equal(t, media.KindSourceUnsupported, media.KindOf(err))
					continue
				}
				for i := range 50 {
					data := make([]byte, 1+r.IntN(3000))
					for i := range data {
						data[i] = byte(r.Uint32())
					}
					_, err := tc.Transcode(media.Packet{DTS: time.Duration(i) * time.Second / 25, NoPTS: true, Data: data, Keyframe: true})
					require.NoError(t, err)
				}
				_, err = tc.Flush()
				require.NoError(t, err)
				tc.Close()
			}
		})
	}
}

var audioOnly = map[media.Codec]bool{
	"aac": true, "mp3": true, "opus": true, "vorbis": true, "flac": true, "alac": true, "dts": true, "truehd": true, "amr_nb": true, "wmav2": true,
}

func TestAfterAPacketThatCannotBeDecodedTheNextKeyframeComesFirst(t *testing.T) {
	in := mixed(t)[1] // VP9
	tc := transcoderFor(t, in.info.Tracks[0])
	defer tc.Close()
	var out []media.Packet
	key := 0
	for i, p := range in.packets {
		if i == 4 {
			p.Data = []byte{0x82, 0xff, 0xff, 0xff}
		}
		if p.Keyframe && i > 4 && key == 0 {
			key = i
		}
		got, err := tc.Transcode(p)
		require.NoError(t, err)
		out = append(out, got...)
	}
	require.Equal(t, int64(1), tc.Damaged())
	require.Zero(t, tc.Damaged(), "counted once")
	require.Equal(t, in.packets[3].PTS, out[3].PTS)
	require.Equal(t, in.packets[key].PTS, out[4].PTS)
}

func TestAPatchedPictureIsShownAndCounted(t *testing.T) {
	in := mixed(t)[0] // H.264
	tc := transcoderFor(t, in.info.Tracks[0])
	defer tc.Close()
	packets := in.of(t, media.Video)
	for i := range packets {
		if i == 12 { // half of it is gone
			packets[i].Data = append([]byte(nil), packets[i].Data[:len(packets[i].Data)/2]...)
		}
	}
	require.Len(t, through(t, tc, packets), len(packets))
	require.Positive(t, tc.Damaged())
}

func TestACodecWithoutADecoderIsUnsupported(t *testing.T) {
	for _, codec := range []media.Codec{"", "none", "hap", "cook"} {
		_, err := NewTranscoders(TranscodeConfig{}).Video(media.Track{Codec: codec}, smallVideo)
		require.Equal(t, media.KindSourceUnsupported, media.KindOf(err), codec)
	}
}

func TestAHundredTranscodersLeaveNothing(t *testing.T) {
	noLeak(t)
	sources := mixed(t)
	round := func() {
		var wait sync.WaitGroup
		for _, in := range sources {
			wait.Go(func() {
				tc := transcoderFor(t, in.info.Tracks[0])
				for i, p := range in.packets {
					if i < 15 {
						_, _ = tc.Transcode(p)
					}
				}
				_, _ = tc.Input(in.info.Tracks[0])
				_, _ = tc.Transcode(in.packets[0])
				tc.Close()
				tc.Close()
			})
		}
		wait.Wait()
		_, _ = NewTranscoders(TranscodeConfig{}).Video(media.Track{Codec: "none"}, smallVideo)
	}
	for range 8 {
		round()
	}
	grown := 1 << 30
	for range 2 { // what leaks grows each time; what the allocator takes once does not
		memory := resident(t)
		for range 12 {
			round()
		}
		grown = min(grown, resident(t)-memory)
	}
	t.Logf("memory grew by %d KiB over %d transcoders", grown>>10, 12*len(sources))
	require.Less(t, grown, 24<<20)
}
