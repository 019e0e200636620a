package egress

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestHeadersThatCannotBeSentAreRefused(t *testing.T) {
	g := newGate(t, Config{})
	for name, value := range map[string]media.Secret{
		"X-A": "canary\r\nHost: evil", "X-B": "canary\nc", "X-C\r\nHost": "canary", "": "canary", "X C": "canary",
		"X:": "canary", "X-Nul": "canary\x00b", "Host": "canary", "proxy-authorization": "canary",
		"Content-Length": "9", "Transfer-Encoding": "chunked", "Range": "bytes=1-", "Accept-Encoding": "gzip",
	} {
		_, err := g.Client(media.SourceRequest{
			URL: "http://example.com/", Headers: map[string]media.Secret{name: value},
		})
		requireKind(t, media.KindSourceInvalid, err)
		require.NotContains(t, err.Error(), "canary")
	}
	require.NoError(t, CheckHeaders(map[string]media.Secret{"X-Two": "2\t3", "referer": "http://a/?b"}))
}
