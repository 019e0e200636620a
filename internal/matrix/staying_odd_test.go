package matrix

import (
	"context"
	"crypto/x509"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/egress"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/source"
	"github.com/roomcast/roomcast/tasks"
)

// These tests push from servers that are odd in ways that people meet; docs/sources.md
// lists them.

// openerOver is a worker's, over a network of its own.
func openerOver(t *testing.T, c egress.Config, silence time.Duration) media.Opener {
	t.Helper()
	network, err := egress.New(c)
	require.NoError(t, err)
	pool, err := hosts()
	require.NoError(t, err)
	return &source.Opener{Network: network, Demuxer: pool, Silence: silence, Log: slog.New(slog.DiscardHandler)}
}

// over makes a file of another, whose streams are copied.
func over(t *testing.T, path, name string, args ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	mediatest.Make(t, time.Minute, slices.Concat(args[:2], []string{"-i", path, "-c", "copy"}, args[2:], []string{out})...)
	return out
}

// The times are a tenth of those that were seen, and some more: 4.7 hours of media, whose
// index of 14.6 MB stands in front, from a server that gives 300 kB a second; another
// one answers after 20 s of the 30 s that it may be silent.
func TestAFileThatIsSlowToOpenIsWaitedForAsLongAsSomethingComes(t *testing.T) {
	t.Parallel()
	const silence, rate = 4 * time.Second, 200_000
	path := over(t, moving(t, 10), "a.mp4", "-stream_loop", "-1", "-t", "1700", "-movflags", "+faststart")
	for name, late := range map[string]time.Duration{"an index of which little comes": 0, "an answer that is late": 2 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			address := mediatest.ServeHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				select {
				case <-time.After(late):
					http.ServeFile(&slowly{ResponseWriter: w, rate: rate, gone: r.Context().Done()}, r, path)
				case <-r.Context().Done():
				}
			}))
			s := newStay(t, startStandIn(t), address+"/a.mp4")
			s.pusher.Opener = openerOver(t, egress.Config{Allow: []string{"127.0.0.0/8"}}, silence)
			s.job.Source.ProbeTimeout = 0
			begin := time.Now()
			s.start().has(time.Second)
			t.Logf("it was open after %v", time.Since(begin))
			require.Empty(t, s.retries(), "it is not begun anew")
			if late == 0 {
				require.Greater(t, time.Since(begin), silence, "its opening lasts longer than it may be silent")
			}
			s.cancel(media.ErrStopped)
			require.ErrorIs(t, s.end(), media.ErrStopped)
		})
	}
}

func TestAFileWhoseServerHasOneConnectionAClientIsPlayed(t *testing.T) {
	t.Parallel()
	path := over(t, mediatest.Clip(t, fat(t)), "a.mp4", "-t", "4") // its index is at its end
	var open, refused atomic.Int32
	address := mediatest.ServeHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer open.Add(-1)
		if open.Add(1) > 1 {
			refused.Add(1)
			w.WriteHeader(http.StatusForbidden)
			return
		}
		http.ServeFile(&slowly{ResponseWriter: w, rate: 2_000_000, gone: r.Context().Done()}, r, path)
	}))
	s := newStay(t, startStandIn(t), address+"/a.mp4")
	require.NoError(t, s.start().end(), "%s", s.diary)
	require.Positive(t, refused.Load(), "a second one was asked for")
	require.Empty(t, s.retries())
	different, _ := s.pictures()
	require.Equal(t, 4*30, different)
}

func TestASHOUTcastStreamIsHeardOverABlackPicture(t *testing.T) {
	t.Parallel()
	for codec, kind := range map[string]string{"mp3": "audio/mpeg", "aac": "audio/aacp"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			container := map[string]string{"mp3": "mp3", "aac": "adts"}[codec]
			clip := mediatest.Clip(t, mediatest.Spec{Seconds: 20, VideoCodec: mediatest.None, AudioCodec: codec, Container: container})
			data, err := os.ReadFile(clip)
			require.NoError(t, err)
			listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			t.Cleanup(func() { _ = listener.Close() })
			go shoutcast(listener, kind, data, 20*time.Second/time.Duration(len(data)))
			s := newStay(t, startStandIn(t), "http://"+listener.Addr().String()+"/stream")
			s.job.Options.FillVideo = true
			s.start()
			require.Eventually(t, func() bool {
				now := s.sessions()
				return len(now) == 1 && now[0].Audio.Packets > 50 && now[0].Video.Packets > 10
			}, time.Minute, 20*time.Millisecond, "%s", s.diary)
			s.sound()
			s.cancel(media.ErrStopped)
			require.ErrorIs(t, s.end(), media.ErrStopped)
		})
	}
}

// shoutcast gives all who come the same, again and again, in real time.
func shoutcast(l net.Listener, kind string, data []byte, perByte time.Duration) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			_, _ = conn.Read(make([]byte, 4096))
			_, err := io.WriteString(conn, "ICY 200 OK\r\nicy-name: x\r\nicy-br: 128\r\nContent-Type: "+kind+"\r\n\r\n")
			const piece = 2000
			for at := 0; err == nil; at = (at + piece) % len(data) {
				_, err = conn.Write(data[at:min(at+piece, len(data))])
				if at > 4*piece { // the burst with which such servers begin
					<-time.After(piece * perByte)
				}
			}
		}()
	}
}

// inward is a name server that knows names inside.
type inward struct{}

func (inward) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	switch host {
	case "unknown.example":
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	case "inside.example":
		return []netip.Addr{netip.MustParseAddr("10.1.2.3")}, nil
	}
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

func TestAServerWhoseCertificateCannotBeVerifiedFailsAtOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		host  string
		trust bool
		says  string
	}{
		"signed by itself": {"example.com", false, "nobody known here has signed it"}, // which it is for
		"of another name":  {"other.example", true, "it is for another name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewTLSServer(text("hello"))
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			t.Cleanup(server.Close)
			roots := x509.NewCertPool()
			if c.trust {
				roots.AddCert(server.Certificate())
			}
			s := newStay(t, startStandIn(t), strings.Replace(server.URL, "127.0.0.1", c.host, 1)+"/a.mp4")
			s.pusher.Opener = openerOver(t, egress.Config{Allow: []string{"127.0.0.0/8"}, Resolver: inward{}, TLSRoots: roots}, 0)
			s.job.Retry = func(k media.Kind) media.Retry { return tasks.RetryOf(k, false, 0) }
			begin := time.Now()
			f := s.start().failed()
			require.Equal(t, tasks.CodeSourceTLS, f.Code, s.err)
			require.Contains(t, f.Message, c.says)
			require.Empty(t, s.retries())
			require.Less(t, time.Since(begin), 5*time.Second)
			require.Empty(t, s.room.History())
		})
	}
}

func TestANameThatLeadsInsideFailsAsOneThatNobodyKnows(t *testing.T) {
	t.Parallel()
	said := map[string]string{}
	for _, host := range []string{"unknown.example", "inside.example"} {
		s := newStay(t, startStandIn(t), "http://"+host+"/a.mp4")
		s.pusher.Opener = openerOver(t, egress.Config{Resolver: inward{}}, 0)
		s.job.Retry = shortened(4) // a machine that stands for one of a tenth costs a try
		begin := time.Now()
		f := s.start().failed()
		require.Equal(t, tasks.CodeSourceHost, f.Code, s.err)
		require.Less(t, time.Since(begin), 5*time.Second, "10 s by the clock of users, and some more")
		said[host] = strings.ReplaceAll(strings.Join(append(s.retries(), f.Message, strconv.Itoa(len(s.retries()))), "\n"), host, "HOST")
	}
	require.Equal(t, said["unknown.example"], said["inside.example"])
	require.True(t, strings.HasSuffix(said["inside.example"], "\n2"), "three tries: %s", said["inside.example"])
}
