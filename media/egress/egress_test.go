package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/media"
)

// testTime is far beyond what anything takes; it only ends a hanging test.
const testTime = 60 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// names is a resolver: each look-up of a name takes its next answer, the last
// one stays.
type names struct {
	mu      sync.Mutex
	answers map[string][][]string
	asked   map[string]int
}

func newNames(answers map[string][][]string) *names {
	return &names{answers: answers, asked: make(map[string]int)}
}

func newNamesFor(host, addr string) *names {
	return newNames(map[string][][]string{host: {{addr}}})
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	list, ok := n.answers[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, Server: "10.11.12.13:53", IsNotFound: true}
	}
	answer := list[min(n.asked[host], len(list)-1)]
	n.asked[host]++
	addrs := make([]netip.Addr, len(answer))
	for i, a := range answer {
		addrs[i] = netip.MustParseAddr(a)
	}
	return addrs, nil
}

func newGate(t testing.TB, c Config) *Gate {
	t.Helper()
	g, err := New(c)
	require.NoError(t, err)
	return g
}

// inside is a server behind the gate that nobody may reach.
type inside struct {
	listener net.Listener
}

func newInside(t testing.TB, addr string) *inside {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return &inside{listener}
}

func (i *inside) port() string {
	_, port, _ := net.SplitHostPort(i.listener.Addr().String())
	return port
}

// requireUntouched connects itself: connections are accepted in their order,
// so the first one must be this one.
func (i *inside) requireUntouched(t testing.TB) {
	t.Helper()
	own, err := net.Dial("tcp", i.listener.Addr().String())
	require.NoError(t, err)
	defer own.Close()
	first, err := i.listener.Accept()
	require.NoError(t, err)
	defer first.Close()
	require.Equal(t, own.LocalAddr().String(), first.RemoteAddr().String(), "somebody connected to the inside")
}

func requireKind(t testing.TB, want media.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	var typed *media.Error
	require.True(t, errors.As(err, &typed), "%v is not a media.Error", err)
	require.Equal(t, want, typed.Kind, "%v", err)
}
