package egress

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

func name(t testing.TB, host, port string) target {
	t.Helper()
	to, err := parseAuthority("http", net.JoinHostPort(host, port))
	require.NoError(t, err)
	return to
}

func TestNamesThatLeadInsideAreRefused(t *testing.T) {
	answers := make(map[string][][]string)
	for i, host := range mediatest.InsideHosts() {
		bare := strings.ReplaceAll(strings.Trim(host, "[]"), "%25", "%")
		if _, err := netip.ParseAddr(bare); err != nil || bare == "::ffff:8.8.8.8" {
			continue // resolvers write 8.8.8.8 that way
		}
		answers[string(rune('a'+i%26))+string(rune('a'+i/26))+".example"] = [][]string{{bare}}
	}
	require.Greater(t, len(answers), 35)
	g := newGate(t, Config{Resolver: newNames(answers)})
	for host, answer := range answers {
		conn, err := g.dial(t.Context(), name(t, host, "80"))
		require.Nil(t, conn)
		requireKind(t, media.KindSourceHost, err)
		_, unknown := g.dial(t.Context(), name(t, "x"+host, "80"))
		require.Equal(t, strings.ReplaceAll(unknown.Error(), "x"+host, host), err.Error(), "a name that does not exist is told by the same words")
		require.NotContains(t, err.Error(), answer[0][0], "what a name resolves to is not the client's to know")
	}
}

func TestForbiddenAddressesOfANameAreSkipped(t *testing.T) {
	secret := newInside(t, "127.0.0.3:0")
	open, err := net.Listen("tcp", "127.0.0.2:"+secret.port())
	require.NoError(t, err)
	defer open.Close()
	g := newGate(t, Config{
		Allow:    []string{"127.0.0.2"},
		Resolver: newNames(map[string][][]string{"a.example": {{"127.0.0.3", "::ffff:127.0.0.3", "::1", "::ffff:127.0.0.2"}}}),
	})
	conn, err := g.dial(t.Context(), name(t, "a.example", secret.port()))
	require.NoError(t, err)
	defer conn.Close()
	require.Equal(t, open.Addr().String(), conn.RemoteAddr().String())
	secret.requireUntouched(t)
}

func TestAnAddressThatRefusesIsFollowedByTheNext(t *testing.T) {
	open, err := net.Listen("tcp", "127.0.0.2:0")
	require.NoError(t, err)
	defer open.Close()
	_, port, _ := net.SplitHostPort(open.Addr().String())
	g := newGate(t, Config{
		Allow:    []string{"127.0.0.0/8"},
		Resolver: newNames(map[string][][]string{"a.example": {{"127.0.0.9", "127.0.0.2"}}, "b.example": {{"127.0.0.9"}}}),
	})
	conn, err := g.dial(t.Context(), name(t, "a.example", port))
	require.NoError(t, err)
	_ = conn.Close()
	_, err = g.dial(t.Context(), name(t, "b.example", port))
	requireKind(t, media.KindSourceUnavailable, err)
	require.ErrorContains(t, err, "its server refuses connections")
	require.NotContains(t, err.Error(), "127.0.0.9")
}

func TestAListedNameOpensWhateverItResolvesTo(t *testing.T) {
	open, err := net.Listen("tcp", "127.0.0.2:0")
	require.NoError(t, err)
	defer open.Close()
	_, port, _ := net.SplitHostPort(open.Addr().String())
	answer := [][]string{{"127.0.0.2"}}
	g := newGate(t, Config{
		Allow:    []string{"media.internal:" + port},
		Resolver: newNames(map[string][][]string{"media.internal": answer, "other.internal": answer}),
	})
	conn, err := g.dial(t.Context(), name(t, "media.internal", port))
	require.NoError(t, err)
	_ = conn.Close()
	for _, to := range []target{name(t, "other.internal", port), name(t, "media.internal", "80")} {
		_, err = g.dial(t.Context(), to)
		require.Error(t, err)
		require.Contains(t, []media.Kind{media.KindSourceBlocked, media.KindSourceHost}, media.KindOf(err))
	}
	_, err = g.dial(t.Context(), name(t, "127.0.0.2", port))
	requireKind(t, media.KindSourceBlocked, err)
}

func TestRebindingDoesNotWin(t *testing.T) {
	secret := newInside(t, "127.0.0.3:0")
	open, err := net.Listen("tcp", "127.0.0.2:"+secret.port())
	require.NoError(t, err)
	defer open.Close()
	resolver := newNames(map[string][][]string{"a.example": {{"127.0.0.2"}, {"127.0.0.3"}}})
	g := newGate(t, Config{Allow: []string{"127.0.0.2"}, Resolver: resolver})
	conn, err := g.dial(t.Context(), name(t, "a.example", secret.port()))
	require.NoError(t, err)
	require.Equal(t, open.Addr().String(), conn.RemoteAddr().String())
	_ = conn.Close()
	require.Equal(t, 1, resolver.asked["a.example"], "the name was looked up again between check and use")
	_, err = g.dial(t.Context(), name(t, "a.example", secret.port()))
	requireKind(t, media.KindSourceHost, err)
	secret.requireUntouched(t)
}

// hung is a resolver that heeds no context.
type hung struct {
	free  chan struct{}
	calls atomic.Int32
}

func (h *hung) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	h.calls.Add(1)
	<-h.free
	return nil, nil
}

func TestAHangingResolverEndsWithTheContext(t *testing.T) {
	noise := mediatest.WatchNoise(t)
	h := &hung{free: make(chan struct{})}
	defer close(h.free)
	g := newGate(t, Config{Resolver: h})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := g.dial(ctx, name(t, "a.example", "80"))
		done <- err
	}()
	require.Eventually(t, func() bool { return h.calls.Load() == 1 }, testTime, time.Millisecond)
	start := time.Now()
	cancel()
	requireKind(t, media.KindSourceUnavailable, <-done)
	require.Less(t, time.Since(start), 500*time.Millisecond+mediatest.Hops*noise())
}

func TestHangingLookupsAreBounded(t *testing.T) {
	h := &hung{free: make(chan struct{})}
	defer close(h.free)
	g := newGate(t, Config{Resolver: h, DialTimeout: time.Millisecond})
	for range 3 * maxLookups {
		_, err := g.dial(t.Context(), name(t, "a.example", "80"))
		requireKind(t, media.KindSourceUnavailable, err)
		require.ErrorIs(t, err, errTimeout)
	}
	require.LessOrEqual(t, h.calls.Load(), int32(maxLookups))
}

type failing struct{ err error }

func (f failing) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, f.err
}

func TestLookupFailuresAreUnavailableAndNameNoServer(t *testing.T) {
	for cause, err := range map[error]*net.DNSError{
		errTimeout: {IsTimeout: true}, errNameServer: {Err: "SERVFAIL"},
	} {
		err.Name, err.Server = "a.example", "10.11.12.13:53"
		g := newGate(t, Config{Resolver: failing{err}})
		_, got := g.dial(t.Context(), name(t, "a.example", "80"))
		requireKind(t, media.KindSourceUnavailable, got)
		require.ErrorIs(t, got, cause)
		require.NotContains(t, got.Error(), "10.11")
	}
}
