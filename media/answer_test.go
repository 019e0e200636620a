package media_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestWhatIsNoMediaIsDescribed(t *testing.T) {
	for name, c := range map[string]struct{ contentType, head, says string }{
		"a login page":          {"text/html", "<!DOCTYPE html><html><title>Sign in</title>", "a web page (HTML)"},
		"a page without a type": {"", "\n\n  <html lang=en>", "a web page (HTML)"},
		"a page in XHTML":       {"", `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">`, "a web page (HTML)"},
		"JSON":                  {"video/mp4", `{"error":"token expired"}`, "a JSON document"},
		"an XML error":          {"application/xml", `<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>`, "an XML document"},
		"plain text":            {"", "not here", "plain text"},
		"DASH":                  {"", "\xef\xbb\xbf<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\">", "a DASH manifest"},
		"Smooth Streaming":      {"", "<SmoothStreamingMedia MajorVersion=\"2\">", "a Smooth Streaming manifest"},
		"SVG":                   {"image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg">`, "an SVG picture"},
		"GIF":                   {"image/gif", "GIF89a\x01\x00", "a GIF"},
		"BMP":                   {"", "BM\x36\x00\x00\x00\x00\x00\x00\x00", "a BMP picture"},
		"PDF":                   {"application/pdf", "%PDF-1.7", "a PDF"},
		"ZIP":                   {"", "PK\x03\x04\x14", "a ZIP archive"},
		"RAR":                   {"", "Rar!\x1a\x07\x01", "a RAR archive"},
		"gzip":                  {"", "\x1f\x8b\x08", "compressed by gzip"},
		"RealMedia":             {"application/vnd.rn-realmedia", ".RMF\x00\x00\x00\x12\x00\x01", "RealMedia, which is not supported"},
		"RealAudio":             {"", ".ra\xfd\x00\x04\x00\x00", "RealAudio, which is not supported"},
		"raw DV, 525 lines":     {"", "\x1f\x07\x00\x3f\x78\x78\x78\x78", "raw DV, which is not supported"},
		"raw DV, 625 lines":     {"video/x-dv", "\x1f\x07\x00\xbf\x78\x78\x78\x78", "raw DV, which is not supported"},
		"raw H.264":             {"", "\x00\x00\x00\x01\x67\x42", "pictures without a container"},
		"raw MPEG-2":            {"", "\x00\x00\x01\xb3\x14\x00", "pictures without a container"},
		"AMR":                   {"audio/amr", "#!AMR\n", "sound as AMR"},
		"WavPack":               {"", "wvpk\x00\x00", "WavPack"},
		"Monkey's Audio":        {"", "MAC \x96\x0f", "Monkey's Audio"},
		"MIDI":                  {"audio/midi", "MThd\x00\x00\x00\x06", "MIDI"},
		"PLS":                   {"audio/x-scpls", "[playlist]\nFile1=http://a", "a playlist of addresses (PLS)"},
		"m3u":                   {"audio/x-mpegurl", "http://a.example/secret\n", "a list of addresses"},
		"an mp4":                {"video/mp4", "\x00\x00\x00\x20ftypisom\x00\x00", "an mp4 whose index (moov) is missing"},
		"an mp4 of large boxes": {"video/mp4", "\x00\x00\x00\x01mdat\x00\x00", ""},
		"HEIF":                  {"", "\x00\x00\x00\x20ftypheic\x00\x00", "a HEIF picture"},
		"what is only said":     {"text/html; charset=utf-8", "\x00\x01\x02", "said to be a web page"},
		"what is not known":     {"application/octet-stream", "\x00\x01\x02", ""},
	} {
		t.Run(name, func(t *testing.T) {
			says := media.Describe(c.contentType, []byte(c.head))
			require.Contains(t, says, c.says)
			require.Equal(t, c.says == "", says == "")
			require.NotContains(t, says, "secret")
		})
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add("text/html", []byte("<html>"))
	f.Add("", []byte("\x00\x00\x00\x20ftypisom"))
	f.Fuzz(func(t *testing.T, contentType string, head []byte) {
		says := media.Describe(contentType, head)
		require.Less(t, len(says), 200)
		require.True(t, utf8.ValidString(says) && !strings.ContainsAny(says, "\n\r"))
	})
}
