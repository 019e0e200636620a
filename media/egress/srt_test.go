package egress

import (
	"encoding/binary"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

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

// handshake is a caller's first packet.
func srtCall(socket uint32) []byte {
	b := make([]byte, srtHandshake)
	binary.BigEndian.PutUint16(b, srtControl)
	binary.BigEndian.PutUint32(b[srtKind:], 1)
	binary.BigEndian.PutUint32(b[srtSocket:], socket)
	return b
}

func udp(t testing.TB) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(testTime))
	return c
}

// srtWay is a way to a source of the test's, and libav's socket on it.
func srtWay(t testing.TB) (w *way, source *net.UDPConn, caller net.Conn) {
	t.Helper()
	source = udp(t)
	g := newGate(t, Config{Schemes: everyScheme, Allow: []string{"127.0.0.1"}})
	w = openWay(t, g, "srt://"+source.LocalAddr().String()+"?streamid=a")
	require.Equal(t, media.Secret("a"), w.Options["streamid"])
	caller, err := net.Dial("udp", strings.TrimPrefix(w.URL.Reveal(), "srt://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = caller.Close() })
	_ = caller.SetDeadline(time.Now().Add(testTime))
	return w, source, caller
}

func TestAnSRTRelayPassesOneFlow(t *testing.T) {
	w, source, caller := srtWay(t)
	_, err := caller.Write([]byte("no handshake"))
	require.NoError(t, err)
	_, err = caller.Write(srtCall(7))
	require.NoError(t, err)
	buf := make([]byte, maxSRTPacket)
	n, relay, err := source.ReadFromUDPAddrPort(buf)
	require.NoError(t, err)
	require.Equal(t, srtCall(7), buf[:n])
	require.Error(t, w.Refusal(), "it has not answered")

	stranger, err := net.Dial("udp", caller.RemoteAddr().String())
	require.NoError(t, err)
	defer stranger.Close()
	_, err = stranger.Write(srtCall(8))
	require.NoError(t, err)
	_, err = caller.Write([]byte("second"))
	require.NoError(t, err)
	n, _, err = source.ReadFromUDPAddrPort(buf)
	require.NoError(t, err)
	require.Equal(t, "second", string(buf[:n]), "a stranger's datagram does not pass")

	other := udp(t)
	_, err = other.WriteToUDPAddrPort([]byte("forged"), relay)
	require.NoError(t, err)
	_, err = source.WriteToUDPAddrPort([]byte("answer"), relay)
	require.NoError(t, err)
	n, err = caller.Read(buf)
	require.NoError(t, err)
	require.Equal(t, "answer", string(buf[:n]), "nor another source's")
	require.NoError(t, w.Refusal())
}

func TestAnotherProcessCannotTakeAnSRTRelay(t *testing.T) {
	_, source, caller := srtWay(t)
	_, port, _ := net.SplitHostPort(caller.RemoteAddr().String())
	packet := strings.Builder{}
	for _, b := range srtCall(9) {
		fmt.Fprintf(&packet, `\x%02x`, b)
	}
	out, err := exec.CommandContext(t.Context(), "bash", "-c", "printf '"+packet.String()+"' > /dev/udp/127.0.0.1/"+port).CombinedOutput()
	require.NoError(t, err, "%s", out)
	_, err = caller.Write(srtCall(7))
	require.NoError(t, err)
	buf := make([]byte, maxSRTPacket)
	n, _, err := source.ReadFromUDPAddrPort(buf)
	require.NoError(t, err)
	require.Equal(t, srtCall(7), buf[:n])
}

func TestAnSRTRefusalHasItsKind(t *testing.T) {
	for reason, kind := range map[uint32]media.Kind{
		2: media.KindSourceUnauthorized, 10: media.KindSourceUnauthorized, 11: media.KindSourceUnauthorized,
		3: media.KindSourceUnavailable, 5: media.KindSourceUnavailable, 1401: media.KindSourceUnauthorized,
		1403: media.KindSourceUnauthorized, 1404: media.KindSourceNotFound, 1503: media.KindSourceUnavailable,
	} {
		w, source, caller := srtWay(t)
		_, err := caller.Write(srtCall(7))
		require.NoError(t, err)
		buf := make([]byte, maxSRTPacket)
		n, relay, err := source.ReadFromUDPAddrPort(buf)
		require.NoError(t, err)
		binary.BigEndian.PutUint32(buf[srtKind:], srtRefused+reason)
		_, err = source.WriteToUDPAddrPort(buf[:n], relay)
		require.NoError(t, err)
		_, err = caller.Read(buf)
		require.NoError(t, err)
		requireKind(t, kind, w.Refusal())
	}
}

func TestTheEndOfAWayEndsItsSRTRelay(t *testing.T) {
	w, source, caller := srtWay(t)
	_, err := caller.Write(srtCall(7))
	require.NoError(t, err)
	_, _, err = source.ReadFromUDPAddrPort(make([]byte, maxSRTPacket))
	require.NoError(t, err)
	w.Close()
	_, _, idle := srtWay(t) // Close of a way nobody came to is the clean-up's
	require.NotNil(t, idle)
}

func TestAnSRTRelayThatMayNotDialRefusesTheCaller(t *testing.T) {
	g := newGate(t, Config{Schemes: everyScheme, Allow: []string{"127.0.0.1"}, Resolver: newNamesFor("in.example", "127.0.0.2")})
	w := openWay(t, g, "srt://in.example:9000")
	caller, err := net.Dial("udp", strings.TrimPrefix(w.URL.Reveal(), "srt://"))
	require.NoError(t, err)
	defer caller.Close()
	_ = caller.SetDeadline(time.Now().Add(testTime))
	_, err = caller.Write(srtCall(7))
	require.NoError(t, err)
	buf := make([]byte, maxSRTPacket)
	_, err = caller.Read(buf)
	require.NoError(t, err)
	require.Equal(t, uint32(7), binary.BigEndian.Uint32(buf[srtPeerSocket:]))
	require.Equal(t, uint32(srtRefused+1), binary.BigEndian.Uint32(buf[srtKind:]))
	requireKind(t, media.KindSourceHost, w.Refusal())
}
