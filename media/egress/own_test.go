package egress

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func interfacesOf(addrs ...string) func() ([]net.Addr, error) {
	return func() ([]net.Addr, error) {
		list := make([]net.Addr, len(addrs))
		for i, a := range addrs {
			list[i] = &net.IPNet{IP: net.ParseIP(a), Mask: net.CIDRMask(24, 32)}
		}
		return list, nil
	}
}

func TestTheMachinesOwnAddressesAreClosedUnlessTheyAreListed(t *testing.T) {
	for _, c := range []struct {
		allow []string
		url   string
		open  bool
	}{
		{nil, "http://8.8.8.8/a", false},
		{nil, "http://[2606:4700::1]/a", false},
		{nil, "http://8.8.4.4/a", true},
		{[]string{"8.8.8.8"}, "http://8.8.8.8/a", true},
		{[]string{"8.8.8.8:80"}, "http://8.8.8.8/a", true},
		{[]string{"8.8.8.8:8080"}, "http://8.8.8.8/a", false},
	} {
		g := newGate(t, Config{Allow: c.allow})
		g.rules.own.interfaces = interfacesOf("8.8.8.8", "2606:4700::1")
		require.NoError(t, g.rules.own.refresh())
		err := g.CheckURL(media.Secret(c.url))
		if c.open {
			require.NoError(t, err, c.url)
			continue
		}
		requireKind(t, media.KindSourceBlocked, err)
		require.ErrorContains(t, err, "ROOMCAST_SOURCE_ALLOW")
	}
}

func TestAnAddressTheMachineHasGotLaterIsClosedToo(t *testing.T) {
	g := newGate(t, Config{})
	require.NoError(t, g.CheckURL("http://8.8.8.8/a"))
	own := &g.rules.own
	own.interfaces = interfacesOf("8.8.8.8")
	own.read = own.read.Add(-ownAge - time.Second)
	requireKind(t, media.KindSourceBlocked, g.CheckURL("http://8.8.8.8/a"))
	own.interfaces = func() ([]net.Addr, error) { return nil, errors.New("no netlink") }
	own.read = own.read.Add(-ownAge - time.Second)
	requireKind(t, media.KindSourceBlocked, g.CheckURL("http://8.8.8.8/a"))
}

func TestWhatIsDeniedComesBeforeEverything(t *testing.T) {
	g := newGate(t, Config{
		Allow:    []string{"127.0.0.0/8", "files.example:80"},
		Deny:     []string{"127.0.0.3", "8.8.8.0/24", "[2606:4700::1]", "Evil.example", "cdn.example"},
		Resolver: newNames(map[string][][]string{"files.example": {{"127.0.0.3"}}}),
	})
	for _, url := range []string{
		"http://127.0.0.3/a", "http://8.8.8.8/a", "http://[2606:4700::1]/a", "http://evil.example/a", "http://a.EVIL.example./a",
	} {
		err := g.CheckURL(media.Secret(url))
		requireKind(t, media.KindSourceBlocked, err)
		require.ErrorContains(t, err, "ROOMCAST_SOURCE_DENY", url)
	}
	for _, url := range []string{"http://127.0.0.2/a", "http://8.8.4.4/a", "http://notevil.example/a", "http://example/a"} {
		require.NoError(t, g.CheckURL(media.Secret(url)), url)
	}
	_, err := g.dial(t.Context(), name(t, "files.example", "80"))
	requireKind(t, media.KindSourceHost, err)
	for _, entry := range []string{"10.0.0.1/8", "a/b", "a:80", "::ffff:1.2.3.4", "a b"} {
		_, err := New(Config{Deny: []string{entry}})
		require.ErrorContains(t, err, "denied source", entry)
	}
}
