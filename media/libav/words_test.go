package libav_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/libav"
	"github.com/roomcast/roomcast/media/mediatest"
)

// What is no media fails with what it is, in words, and none of libav's.
func TestASourceThatIsNoMediaIsCalledByItsName(t *testing.T) {
	dir := t.TempDir()
	mp4, err := os.ReadFile(mediatest.Clip(t, mediatest.Spec{}))
	require.NoError(t, err)
	subtitles := filepath.Join(dir, "words.srt")
	require.NoError(t, os.WriteFile(subtitles, []byte("1\n00:00:00,000 --> 00:00:01,000\nhello\n"), 0o600))
	ffmpeg(t, "-i", subtitles, "-c:s", "mov_text", filepath.Join(dir, "words.mp4"))
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=s=64x64:d=1", "-frames:v", "1", "-c:v", "libaom-av1", "-still-picture", "1", filepath.Join(dir, "photo.avif"))
	for name, c := range map[string]struct {
		body string
		kind media.Kind
		want string
	}{
		"page.mp4":  {"<!DOCTYPE html><html><body>Please log in</body></html>", media.KindSourceInvalid, "the source is a web page (HTML), not a video"},
		"a.json":    {`{"error":"expired"}`, media.KindSourceInvalid, "the source is a JSON document, not a video"},
		"dash.mpd":  {`<?xml version="1.0"?><MPD></MPD>`, media.KindSourceInvalid, "the source is a DASH manifest"},
		"cut.mp4":   {string(mp4[:64]), media.KindSourceInvalid, "the source is an mp4 whose index (moov) is missing or cannot be read"},
		"empty.mp4": {"", media.KindSourceInvalid, "the source is empty"},
		"words.mp4": {"", media.KindSourceNoTrack, "it holds only: subtitle (mov_text)"},

		"photo.avif": {"", media.KindSourceInvalid, "the source is an AVIF picture: only JPEG, PNG and WebP can be shown"},
	} {
		t.Run(name, func(t *testing.T) {
			if !slices.Contains([]string{"words.mp4", "photo.avif"}, name) {
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(c.body), 0o600))
			}
			f := serve(t, dir, httptest.NewServer)
			_, err := openURL(t, f.URL+"/"+name)
			var failure *media.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, c.kind, failure.Kind, "%v", err)
			require.Contains(t, failure.Err.Error(), c.want)
			for _, raw := range []string{"Invalid data", "Invalid argument", "End of file", "Cannot allocate"} {
				require.NotContains(t, failure.Err.Error(), raw)
			}
		})
	}
}

func TestADecoderThatThisBuildLacksIsNotTheRoomsFault(t *testing.T) {
	dir := t.TempDir()
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-t", "1", "-c:v", "ffv1", filepath.Join(dir, "a.mkv"))
	f := serve(t, dir, httptest.NewServer)
	s, err := openURL(t, f.URL+"/a.mkv")
	require.NoError(t, err)
	_, err = libav.NewTranscoders(libav.TranscodeConfig{}).Video(s.Info().Tracks[0], media.VideoOutput{Width: 160, Height: 90, FPS: 25, Bitrate: 500_000})
	var said *media.Reason
	require.ErrorAs(t, err, &said)
	require.Equal(t, "its video codec ffv1 cannot be decoded by this build", said.Words)
}
