package source_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestTheReasonOfARefusalElsewhereNamesTheHeadersThatWereNotSent(t *testing.T) {
	cdn := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(map[bool]int{true: http.StatusForbidden, false: http.StatusGone}[r.Header.Get("Referer") == ""])
	})
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "#EXTM3U\n#EXTINF:2,\n"+cdn.URL+"/a.ts\n#EXT-X-ENDLIST\n")
	})
	_, err := newRig(t).open(t, media.SourceRequest{URL: media.Secret(s.URL + "/a.m3u8"), Headers: map[string]media.Secret{"Referer": "http://canary", "authorization": "canary"}})
	require.Equal(t, media.KindSourceUnauthorized, media.KindOf(err))
	require.ErrorContains(t, err, "403 Forbidden; it is not the source's own host and was not sent: Referer, authorization (headersFor")
	require.NotContains(t, err.Error(), "canary")
	_, err = newRig(t).open(t, media.SourceRequest{URL: media.Secret(cdn.URL + "/a.ts")})
	require.NotContains(t, err.Error(), "not sent")
	_, err = newRig(t).open(t, media.SourceRequest{URL: media.Secret(s.URL + "/a.m3u8"), HeadersForAll: true, Headers: map[string]media.Secret{"Referer": "http://canary"}})
	require.Equal(t, media.KindSourceNotFound, media.KindOf(err), "it was let in: %v", err)
}
