package egress

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsNoMediaIsCalledByItsName(t *testing.T) {
	for name, c := range map[string]struct{ head, contentType, want string }{
		"nothing":          {"", "video/mp4", "empty: its server sent nothing"},
		"a login page":     {"\n <!DOCTYPE html><html>", "text/html", "a web page (HTML); the address of the video itself is needed"},
		"an error as JSON": {"{\"error\":\"expired\"}", "application/json", "a text (JSON)"},
		"an S3 error":      {"<?xml version=\"1.0\"?><Error>", "", "an XML document"},
		"DASH":             {"\ufeff<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\">", "", "a DASH manifest, which is not taken; use the HLS address of the same video"},
		"MJPEG":            {"--frame\r\nContent-Type: image/jpeg", "multipart/x-mixed-replace; boundary=frame", "a camera's row of pictures (MJPEG), which is not taken; use its RTSP address"},
		"a GIF":            {"GIF89a", "", "a picture (GIF)"},
		"a cut mp4":        {"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42", "", "an mp4 file without a readable index: it was cut short, is damaged, or is still being written"},
		"a text":           {"hello", "", "a text"},
		"a playlist":       {"#EXTM3U\n", "", "a playlist that leads to nothing that can be played"},
		"a PDF":            {"%PDF-1.7", "", "a PDF document"},
		"not known":        {"\x00\x01\x02\x03\x04\x05\x06\x07\x08", "", ""},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, found([]byte(c.head), c.contentType)) })
	}
}

func TestAWayKnowsWhatItsSourceSentLast(t *testing.T) {
	source := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/page":
			_, _ = io.WriteString(w, "<html>")
		case "/later":
			w.Header().Set("Content-Range", "bytes 5-9/10")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = io.WriteString(w, "%PDF-")
		case "/missing":
			http.NotFound(w, r)
		}
	})
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.0/8"}}), source.URL)
	require.Empty(t, w.Found(), "nothing was asked for yet")
	client := viaProxy(t, w)
	const page = "a web page (HTML); the address of the video itself is needed"
	for _, c := range []struct{ path, want string }{
		{"/missing", ""}, {"/page", page}, {"/later", page}, {"/empty", "empty: its server sent nothing"},
	} {
		get(t, client, source.URL+c.path)
		require.Equal(t, c.want, w.Found(), c.path)
	}
}
