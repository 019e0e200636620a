package libav_test

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

// liveFLV serves the tags of an FLV clip as a live server does, in real time
// from the time that the query names on, and the picture from a keyframe on.
type liveFLV struct {
	flags byte
	meta  bool          // onMetaData is sent, too
	video time.Duration // when the picture begins to come
	bare  bool          // the picture's decoder configuration does not come
}

func (l liveFLV) serve(t *testing.T, spec mediatest.Spec, at time.Duration) string {
	t.Helper()
	spec.Container, spec.Args = "flv", []string{"-flvflags", "no_duration_filesize"}
	clip, err := os.ReadFile(mediatest.Clip(t, spec))
	require.NoError(t, err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "video/x-flv")
		l.play(w, r, clip, at)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/live.flv"
}

func (l liveFLV) play(w http.ResponseWriter, r *http.Request, clip []byte, at time.Duration) {
	const audio, video, script = 8, 9, 18
	begin := time.Now()
	send := func(b []byte) { _, _ = w.Write(b) }
	send([]byte{'F', 'L', 'V', 1, l.flags, 0, 0, 0, 9, 0, 0, 0, 0})
	var config []byte // of the picture, not sent yet
	keyed := false
	for tags := clip[13:]; len(tags) > 11; {
		n := 11 + int(binary.BigEndian.Uint32(tags)&0xffffff) + 4
		tag := tags[:n]
		tags = tags[n:]
		kind, shown := tag[0], time.Duration(binary.BigEndian.Uint32(tag[3:])&0xffffff)*time.Millisecond
		header := kind != script && tag[12] == 0
		switch {
		case kind == script && l.meta, kind == audio && header:
			send(tag)
			continue
		case kind == video && header:
			config = bytes.Clone(tag)
			continue
		case kind == script, shown < at:
			continue
		}
		if kind == video && !keyed {
			if keyed = tag[11]>>4 == 1 && shown-at >= l.video; !keyed {
				continue
			}
			copy(config[4:8], tag[4:8]) // its time
			if !l.bare {
				send(config)
			}
		}
		select {
		case <-time.After(time.Until(begin.Add(shown - at))):
		case <-r.Context().Done():
			return
		}
		send(tag)
		_ = http.NewResponseController(w).Flush()
	}
}

// requirePicture reads on until there are pictures, the first a keyframe.
func requirePicture(t *testing.T, s media.Source) {
	t.Helper()
	info := s.Info()
	require.True(t, info.Live)
	require.Len(t, info.Tracks, 2)
	v := info.Tracks[0]
	require.Equal(t, []any{media.Video, media.H264, 640, 360, "yuv420p"}, []any{v.Type, v.Codec, v.Width, v.Height, v.PixelFormat})
	require.InDelta(t, 30, v.FPS, 0.5)
	requirePackets(t, s)
}

func requirePackets(t *testing.T, s media.Source) {
	t.Helper()
	var count [2]int
	var first [2]media.Packet
	for count[0] < 20 || count[1] < 20 {
		p, err := s.ReadPacket()
		require.NoError(t, err)
		if count[p.Track]++; count[p.Track] == 1 {
			first[p.Track] = p
		}
	}
	require.True(t, first[0].Keyframe)
	require.InDelta(t, first[0].DTS.Seconds(), first[1].DTS.Seconds(), 3.5)
}

func TestAnRTMPStreamThatIsJoinedWithinALongGOPHasItsPicture(t *testing.T) {
	t.Parallel()
	nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
	for _, gop := range []float64{4, 6} {
		name := "gop" + strconv.Itoa(int(gop))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clip := mediatest.Clip(t, mediatest.Spec{Seconds: 24, GOPSeconds: gop, Container: "flv"})
			mediatest.FFmpegPublish(t, nginx.RTMP+"/live/"+name, clip)
			published, err := nginx.WaitEvent(t.Context(), "publish", name)
			require.NoError(t, err)
			for _, at := range []time.Duration{500 * time.Millisecond, 5 * time.Second, 12500 * time.Millisecond} {
				<-time.After(time.Until(published.At.Add(at)))
				begin := time.Now()
				s, err := openURL(t, nginx.RTMP+"/live/"+name)
				require.NoError(t, err)
				t.Logf("joined at %v: open after %v", at, time.Since(begin))
				requirePicture(t, s)
				s.Close()
			}
		})
	}
}

func TestAnFLVStreamOverHTTPThatIsJoinedWithinALongGOPHasItsPicture(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]liveFLV{
		"with metadata": {flags: 5, meta: true}, "flags alone": {flags: 5}, "metadata alone": {meta: true},
	} {
		for _, gop := range []float64{4, 6} {
			t.Run(name+", GOP of "+strconv.Itoa(int(gop))+" s", func(t *testing.T) {
				t.Parallel()
				begin := time.Now()
				s, err := openURL(t, server.serve(t, mediatest.Spec{Seconds: 24, GOPSeconds: gop}, time.Duration(gop*float64(time.Second))+300*time.Millisecond))
				require.NoError(t, err)
				t.Logf("open after %v", time.Since(begin))
				requirePicture(t, s)
			})
		}
	}
}

func TestATSThatIsJoinedWithinALongGOPHasItsPicture(t *testing.T) {
	t.Parallel()
	const seconds = 24
	clip, err := os.ReadFile(mediatest.Clip(t, mediatest.Spec{Seconds: seconds, GOPSeconds: 6, Container: "mpegts"}))
	require.NoError(t, err)
	rate := len(clip) / seconds
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for rest := clip[rate*2/188*188:]; len(rest) > rate/10; rest = rest[rate/10:] {
			_, _ = w.Write(rest[:rate/10])
			_ = http.NewResponseController(w).Flush()
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	begin := time.Now()
	s, err := openURL(t, server.URL+"/live.ts")
	require.NoError(t, err)
	t.Logf("open after %v", time.Since(begin))
	requirePicture(t, s)
}

func TestALivePlaylistThatBeginsWithinALongGOPHasItsPicture(t *testing.T) {
	dir := t.TempDir()
	clip := mediatest.Clip(t, mediatest.Spec{Seconds: 24, GOPSeconds: 6, Container: "mpegts"})
	mediatest.Make(t, time.Minute, "-i", clip, "-c", "copy", "-t", "20", "-f", "hls", "-hls_time", "2", "-hls_flags", "split_by_time+omit_endlist",
		"-hls_list_size", "0", dir+"/a.m3u8")
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	begin := time.Now()
	s, err := openURL(t, server.URL+"/a.m3u8") // libav begins three segments before the end
	require.NoError(t, err)
	t.Logf("open after %v", time.Since(begin))
	requirePicture(t, s)
}

func TestALiveStreamOfSoundAloneStartsSoon(t *testing.T) {
	t.Parallel()
	sound := mediatest.Spec{Seconds: 24, VideoCodec: mediatest.None, Container: "flv"}
	nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
	mediatest.FFmpegPublish(t, nginx.RTMP+"/live/sound", mediatest.Clip(t, sound))
	_, err := nginx.WaitEvent(t.Context(), "publish", "sound")
	require.NoError(t, err)
	for name, address := range map[string]string{
		"rtmp":     nginx.RTMP + "/live/sound",
		"http-flv": liveFLV{flags: 5, meta: true}.serve(t, sound, 0),
	} {
		begin := time.Now()
		s, err := openURL(t, address)
		require.NoError(t, err)
		t.Logf("%s: open after %v", name, time.Since(begin))
		require.Less(t, time.Since(begin), 10*time.Second) // and not the eleven that a picture is waited for
		require.Len(t, s.Info().Tracks, 1)
	}
}

func TestAPictureThatComesLateIsToldOf(t *testing.T) {
	t.Parallel()
	s, err := openURL(t, liveFLV{flags: 4, video: 5 * time.Second}.serve(t, mediatest.Spec{Seconds: 24}, 0))
	require.NoError(t, err)
	require.Len(t, s.Info().Tracks, 1)
	for err == nil {
		_, err = s.ReadPacket()
	}
	require.ErrorIs(t, err, media.ErrLateVideo)
	requirePicture(t, s)
}

func TestSoundThatComesWhileThePictureIsWaitedForIsToldOf(t *testing.T) {
	t.Parallel()
	told := 0
	address := liveFLV{flags: 5, video: 6 * time.Second}.serve(t, mediatest.Spec{Seconds: 24}, 0)
	s, err := open(t, media.SourceRequest{URL: media.Secret(address), Came: func() { told++ }})
	require.NoError(t, err)
	require.Len(t, s.Info().Tracks, 2)
	require.Greater(t, told, 60, "with each packet: two seconds of sound are 94")
}

func TestAPictureThatCannotBeDecodedLeavesTheSoundAlone(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]liveFLV{
		"promised":     {flags: 5, video: 4 * time.Second, bare: true},
		"not promised": {flags: 4, video: 4 * time.Second, bare: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := openURL(t, server.serve(t, mediatest.Spec{Seconds: 24}, 0))
			require.NoError(t, err)
			require.Len(t, s.Info().Tracks, 1)
			for at := time.Duration(0); at < 10*time.Second; {
				p, err := s.ReadPacket()
				require.NoError(t, err, "after %v", at)
				at = p.DTS
			}
		})
	}
}
