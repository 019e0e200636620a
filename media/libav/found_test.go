package libav_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// withRanges serves text as nginx serves a file.
func withRanges(text []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
	}
}

// withoutRanges serves text as a program does.
func withoutRanges(contentType, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, text)
	}
}

func camera(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=next")
	_, _ = io.WriteString(w, "--next\r\nContent-Type: image/jpeg\r\n\r\n")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// madeAs is a second of a picture as ffmpeg writes it.
func madeAs(t *testing.T, name string, form ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	out, err := exec.Command("ffmpeg", slices.Concat([]string{"-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:d=1"}, form, []string{path})...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	return whole
}

// halfMP4 is what there is of an mp4 whose recording was ended by a crash.
func halfMP4(t *testing.T) []byte {
	t.Helper()
	whole := madeAs(t, "a.mp4", "-c:v", "libx264")
	return whole[:len(whole)/2]
}

func TestASourceThatIsNoMediaSaysWhatItIs(t *testing.T) {
	half := halfMP4(t)
	page := "<!DOCTYPE html><html><body>" + strings.Repeat("<p>please sign in</p>\n", 1000)
	gif := "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		says  string
	}{
		"a page":                       {withoutRanges("text/html", page), "the source is a web page (HTML)"},
		"a page that says it is a mp4": {withoutRanges("video/mp4", page), "the source is a web page (HTML)"},
		"JSON":                         {withRanges([]byte(`{"error":"expired"}`)), "the source is a JSON document"},
		"a word":                       {withRanges([]byte("no")), "the source is plain text"},
		"an XML error":                 {withRanges([]byte(`<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>`)), "the source is an XML document"},
		"empty":                        {withoutRanges("video/mp4", ""), "the source is empty"},
		"empty, of no length":          {func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() }, "the source is empty"},
		"an empty file":                {withRanges(nil), "the source is empty"},
		"half an mp4":                  {withRanges(half), "the source is an mp4 whose index (moov) is missing"},
		"half an mp4 without ranges":   {withoutRanges("video/mp4", string(half)), "the source is an mp4 whose index (moov) is missing"},
		"DASH":                         {withRanges([]byte(`<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>`)), "DASH is not supported"},
		"a camera":                     {camera, "MJPEG camera"},
		"GIF":                          {withRanges([]byte(gif)), "the source is a GIF"},
		"raw DV":                       {withRanges(madeAs(t, "a.dv", "-s", "720x480", "-r", "30000/1001", "-pix_fmt", "yuv411p")), "the source is raw DV"},
		"RealMedia":                    {withRanges(madeAs(t, "a.rm", "-c:v", "rv10", "-s", "352x288")), "the source is RealMedia"},
		"a list":                       {withoutRanges("audio/x-mpegurl", "http://example.com/a.mp3\n"), "a list of addresses"},
		"a segment that is a page": {func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, ".ts") {
				withoutRanges("video/mp2t", page)(w, r)
				return
			}
			_, _ = io.WriteString(w, "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.ts\n#EXT-X-ENDLIST\n")
		}, "the source's playlist leads to is a web page"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(c.serve)
			t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
			begin := time.Now()
			_, err := openURL(t, s.URL+"/a?token=secret")
			require.Equal(t, media.KindSourceInvalid, media.KindOf(err), "%v", err)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "secret")
			require.Less(t, time.Since(begin), 10*time.Second, "at once")
		})
	}
}
