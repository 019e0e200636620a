package mediatest_test

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/media/mediatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAClipIsAsAsked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spec         mediatest.Spec
		video, audio string
		bframes      bool
	}{
		"default":          {mediatest.Spec{}, "h264", "aac", false},
		"with B-frames":    {mediatest.Spec{BFrames: 2}, "h264", "aac", true},
		"audio only":       {mediatest.Spec{VideoCodec: mediatest.None}, "", "aac", false},
		"video only":       {mediatest.Spec{AudioCodec: mediatest.None}, "h264", "", false},
		"webm":             {mediatest.Spec{VideoCodec: "vp8", AudioCodec: "opus", Container: "webm", Seconds: 1}, "vp8", "opus", false},
		"transport stream": {mediatest.Spec{Container: "mpegts", Seconds: 1}, "h264", "aac", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := mediatest.Clip(t, c.spec)
			require.Equal(t, path, mediatest.Clip(t, c.spec), "made once")
			mediatest.Decode(t, path)
			m := mediatest.Probe(t, path)
			video, _ := m.Stream("video")
			audio, _ := m.Stream("audio")
			require.Equal(t, c.video, video.Codec)
			require.Equal(t, c.audio, audio.Codec)
			require.Equal(t, c.bframes, reordered(m.Of("video")))
		})
	}
}

func reordered(packets []mediatest.Packet) bool {
	for i := range packets {
		if i > 0 && packets[i].PTS < packets[i-1].PTS {
			return true
		}
	}
	return false
}

func TestTheDefaultClip(t *testing.T) {
	t.Parallel()
	m := mediatest.Probe(t, mediatest.Clip(t, mediatest.Spec{}))
	require.InDelta(t, 5, m.Format.Duration.Duration().Seconds(), 0.1)
	require.InDelta(t, 5, m.Span("video").Seconds(), 0.05)
	keys := 0
	for _, p := range m.Of("video") {
		if p.Keyframe() {
			keys++
		}
	}
	require.Equal(t, 5, keys)
}

func TestServeAnswersRanges(t *testing.T) {
	t.Parallel()
	srv := mediatest.Serve(t, map[string]string{"clip.mp4": mediatest.Clip(t, mediatest.Spec{})})
	checkRange(t, srv.URL+"/clip.mp4")
	require.Len(t, mediatest.Probe(t, srv.URL+"/clip.mp4").Streams, 2)
}

// checkRange reads 4 bytes of an mp4: its ftyp box's name.
func checkRange(t *testing.T, url string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	req.Header.Set("Range", "bytes=4-7")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.Equal(t, http.StatusPartialContent, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "ftyp", string(body))
}

func TestNginxRecordsAndTells(t *testing.T) {
	t.Parallel()
	clip := mediatest.Clip(t, mediatest.Spec{})
	n := mediatest.StartNginx(t, mediatest.NginxConfig{Root: filepath.Dir(clip)})
	checkRange(t, n.HTTP+"/"+filepath.Base(clip))

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p := mediatest.FFmpeg(t, "-re", "-t", "2", "-i", clip, "-c", "copy", "-f", "flv", n.RTMP+"/push/room?userid=anna")
	begin, err := n.WaitEvent(ctx, "publish", "room")
	require.NoError(t, err, p.Output())
	require.Equal(t, "push", begin.App)
	require.Equal(t, "anna", begin.Args.Get("userid"))
	require.NoError(t, p.Wait(time.Minute), p.Output())
	end, err := n.WaitEvent(ctx, "publish_done", "room")
	require.NoError(t, err, n.Log())
	require.Greater(t, end.At.Sub(begin.At), time.Second)

	recordings := n.Recordings("room")
	require.Len(t, recordings, 1)
	mediatest.Decode(t, recordings[0])
	require.InDelta(t, 2, mediatest.Probe(t, recordings[0]).Span("video").Seconds(), 0.2)
}

func TestALiveSourceCanBePulledFromNginx(t *testing.T) {
	t.Parallel()
	n := mediatest.StartNginx(t, mediatest.NginxConfig{})
	p := mediatest.FFmpegPublish(t, n.RTMP+"/live/cam", mediatest.Clip(t, mediatest.Spec{Seconds: 2}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := n.WaitEvent(ctx, "publish", "cam")
	require.NoError(t, err, p.Output())
	pull := mediatest.FFmpeg(t, "-i", n.RTMP+"/live/cam", "-t", "3", "-c", "copy", "-f", "null", "-")
	require.NoError(t, pull.Wait(time.Minute), pull.Output())
	p.Interrupt()
	_, err = n.WaitEvent(ctx, "publish_done", "cam")
	require.NoError(t, err)
}
