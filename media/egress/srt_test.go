package egress

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

var everyScheme = []string{"http", "https", "rtmp", "rtmps", "rtsp", "rtsps", "srt"}

func TestWhatAnSRTAddressMayAsk(t *testing.T) {
	g := newGate(t, Config{Schemes: everyScheme})
	for query, ok := range map[string]bool{
		"":                       true,
		"?":                      true,
		"?streamid=#!::r=a,m=b":  true,
		"?streamid=%23!::r=a":    true,
		"?passphrase=0123456789": true,
		"/?passphrase=0123456789&pbkeylen=32&mode=caller": true,
		"?mode=listener":              false,
		"?mode=rendezvous":            false,
		"?mode=caller&mode=caller":    true,
		"?localaddr=10.0.0.1":         false,
		"?localport=9000":             false,
		"?adapter=10.0.0.1":           false,
		"?latency=1":                  false,
		"?mss=1":                      false,
		"?Mode=listener":              false,
		"?mode":                       false,
		"?passphrase=canary":          false,
		"?passphrase=":                false,
		"?pbkeylen=17":                false,
		"?streamid=canary&streamid=b": false,
		"?streamid=" + strings.Repeat("canary", 99): false,
	} {
		err := g.CheckURL(media.Secret("srt://example.com:9000" + query))
		if ok {
			require.NoError(t, err, query)
			continue
		}
		requireKind(t, media.KindSourceInvalid, err)
		require.NotContains(t, err.Error(), "canary")
	}
	requireKind(t, media.KindSourceInvalid, g.CheckURL("srt://example.com"))
	requireKind(t, media.KindSourceInvalid, g.CheckURL("srt://u:canary@example.com:9000"))
}

func TestPortsOfRTSPAndSRT(t *testing.T) {
	g := newGate(t, Config{Schemes: everyScheme})
	for address, open := range map[string]bool{
		"rtsp://example.com/a": true, "rtsp://example.com:8554/a": true, "rtsp://example.com:80/a": false,
		"srt://example.com:9000": true, "srt://example.com:1024": true, "srt://example.com:53": false,
		"srt://10.0.0.1:9000": false, "rtsp://127.0.0.1/a": false, "rtsp://localhost/a": false,
	} {
		err := g.CheckURL(media.Secret(address))
		if open {
			require.NoError(t, err, address)
		} else {
			requireKind(t, media.KindSourceBlocked, err)
		}
	}
}
