package source_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	srt "github.com/datarhei/gosrt"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/egress"
	"github.com/roomcast/roomcast/media/mediatest"
)

func udp(t testing.TB) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// srtListener is another's: gosrt's own. It plays to the first who calls and asks
// for the stream "a/b", a block every few milliseconds, and stays a while longer.
func srtListener(t *testing.T, passphrase string, blocks int, stays time.Duration) string {
	t.Helper()
	config := srt.DefaultConfig()
	config.Latency = min(3*time.Second, stays/2) // for which what is lost is sent again: a busy machine needs longer than 120 ms
	config.PeerIdleTimeout = stays
	l, err := srt.Listen("srt", "127.0.0.1:0", config)
	require.NoError(t, err)
	var playing sync.WaitGroup
	t.Cleanup(func() { l.Close(); playing.Wait() })
	playing.Go(func() {
		r, err := l.Accept2()
		if err != nil {
			return
		}
		if r.StreamId() != "a/b" || passphrase != "" && r.SetPassphrase(passphrase) != nil {
			r.Reject(srt.REJ_BADSECRET)
			return
		}
		c, err := r.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		tick := time.NewTicker(3 * time.Millisecond)
		defer tick.Stop()
		const more = 20 // what is lost is missed when others come
		for i := range blocks + more {
			if _, err := c.Write(block(i)); err != nil {
				return
			}
			<-tick.C
		}
		select { // what is lost is sent again
		case <-time.After(stays):
		case <-t.Context().Done():
		}
	})
	return l.Addr().String()
}

func block(i int) []byte {
	return bytes.Repeat(binary.BigEndian.AppendUint32(nil, uint32(i)), 1316/4)
}

// losing is a way to a UDP address on which every tenth datagram of the stream is
// lost.
func losing(t *testing.T, to string) string {
	t.Helper()
	from := udp(t)
	server, err := net.Dial("udp", to)
	require.NoError(t, err)
	var passing sync.WaitGroup
	t.Cleanup(func() { _ = from.Close(); _ = server.Close(); passing.Wait() })
	peer := make(chan *net.UDPAddr, 1)
	passing.Go(func() {
		b, known := make([]byte, 1500), false
		for {
			n, a, err := from.ReadFromUDP(b)
			if err != nil {
				return
			}
			if !known {
				known = true
				peer <- a
			}
			_, _ = server.Write(b[:n])
		}
	})
	passing.Go(func() {
		b := make([]byte, 1500)
		var caller *net.UDPAddr
		for i := 1; ; i++ {
			n, err := server.Read(b)
			if err != nil {
				return
			}
			if caller == nil {
				caller = <-peer
			}
			if i%10 != 0 || n < 1000 {
				_, _ = from.WriteToUDP(b[:n], caller)
			}
		}
	})
	return from.LocalAddr().String()
}

func TestAnSRTStreamIsWholeInSpiteOfLosses(t *testing.T) {
	const blocks = 300
	for name, query := range map[string]string{
		"open": "", "encrypted": "&passphrase=0123456789abc", "encrypted with a longer key": "&passphrase=0123456789abc&pbkeylen=32",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits for the latency
			_, passphrase, _ := strings.Cut(query, "passphrase=")
			passphrase, _, _ = strings.Cut(passphrase, "&")
			at := losing(t, srtListener(t, passphrase, blocks, time.Minute))
			way, err := openLive(t, gateOf(t, egress.Config{}), "srt://"+at+"?streamid=a/b"+query)
			require.NoError(t, err)
			got := make([]byte, 1316*blocks)
			for n := 0; n < len(got); {
				m, err := way.Bytes.Read(got[n:])
				require.NoError(t, err, "after %d", n)
				n += m
			}
			for i := range blocks {
				require.Equal(t, block(i), got[1316*i:1316*(i+1)], "block %d", i)
			}
		})
	}
}

// srtHandshake begins an answer of a listener's: a handshake of this type.
func srtAnswer(asked []byte, kind uint32) []byte {
	answer := bytes.Clone(asked[:64])
	copy(answer[12:16], asked[40:44]) // for the caller's socket
	binary.BigEndian.PutUint32(answer[36:], kind)
	return answer
}

func TestAnSRTRefusalHasItsKind(t *testing.T) {
	for reason, kind := range map[uint32]media.Kind{
		2: media.KindSourceUnauthorized, 10: media.KindSourceUnauthorized, 11: media.KindSourceUnauthorized,
		3: media.KindSourceUnavailable, 5: media.KindSourceUnavailable, 1401: media.KindSourceUnauthorized,
		1403: media.KindSourceUnauthorized, 1404: media.KindSourceNotFound, 1503: media.KindSourceUnavailable,
	} {
		t.Run(fmt.Sprint(reason), func(t *testing.T) {
			c := udp(t)
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				b := make([]byte, 1500)
				if _, from, err := c.ReadFromUDP(b); err == nil {
					_, _ = c.WriteToUDP(srtAnswer(b, 1000+reason), from)
				}
			}()
			_, err := openLive(t, gateOf(t, egress.Config{}), "srt://"+c.LocalAddr().String()+"?streamid=canary&passphrase=canarycanary")
			<-answered
			require.Equal(t, kind, media.KindOf(err), "%v", err)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestAnSRTSourceEndsWithItsContext(t *testing.T) {
	stopped := errors.New("stopped")
	silent := udp(t)
	for name, at := range map[string]string{"in the handshake": silent.LocalAddr().String(), "in the stream": srtListener(t, "", 2, time.Minute)} {
		t.Run(name, func(t *testing.T) {
			noise := mediatest.WatchNoise(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(chan time.Time, 1)
			time.AfterFunc(400*time.Millisecond, func() { ended <- time.Now(); cancel(stopped) })
			way, err := gateOf(t, egress.Config{}).Open(ctx, media.SourceRequest{URL: media.Secret("srt://" + at + "?streamid=a/b")})
			for b := make([]byte, 1316); err == nil; {
				_, err = way.Bytes.Read(b)
			}
			require.Less(t, time.Since(<-ended), promise+mediatest.Hops*noise())
			require.ErrorIs(t, err, stopped)
			if way.Close != nil {
				way.Close()
			}
		})
	}
}

func TestAnSRTSourceThatLeavesIsUnavailable(t *testing.T) {
	way, err := openLive(t, gateOf(t, egress.Config{}), "srt://"+srtListener(t, "", 2, 2*time.Second)+"?streamid=a/b")
	require.NoError(t, err)
	for b := make([]byte, 1316); err == nil; {
		_, err = way.Bytes.Read(b)
	}
	require.Equal(t, media.KindSourceUnavailable, media.KindOf(err), "%v", err)
	require.Equal(t, err, way.Refusal())
}

func FuzzSRTAnswer(f *testing.F) {
	f.Add([]byte{0x80, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		c := udp(t)
		answered := make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		go func() {
			defer close(answered)
			b := make([]byte, 1500)
			_ = c.SetDeadline(time.Now().Add(time.Second))
			if n, from, err := c.ReadFromUDP(b); err == nil && n >= 64 {
				_, _ = c.WriteToUDP(append(srtAnswer(b, 1)[:16], data...), from)
			}
		}()
		way, err := gateOf(t, egress.Config{}).Open(ctx, media.SourceRequest{URL: media.Secret("srt://" + c.LocalAddr().String())})
		if err == nil {
			way.Close()
		}
		<-answered
	})
}
