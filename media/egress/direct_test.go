package egress

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestDialContextGoesOnlyWhereASourceMayBe(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in") }))
	t.Cleanup(srv.Close)
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	require.NoError(t, err)
	resolver := newNamesFor("a.example", "127.0.0.1")
	client := func(allow ...string) *http.Client {
		transport := &http.Transport{DialContext: newGate(t, Config{Allow: allow, Resolver: resolver}).DialContext, DisableKeepAlives: true}
		return &http.Client{Transport: transport}
	}
	for _, host := range []string{"127.0.0.1:" + port, "a.example:" + port, "localhost:" + port, "[::1]:" + port, "a.example:80"} {
		_, err := fetchText(t.Context(), client(), "http://"+host)
		e, ok := errors.AsType[*media.Error](err)
		require.True(t, ok, "%s: %v", host, err)
		require.Contains(t, []media.Kind{media.KindSourceBlocked, media.KindSourceHost}, e.Kind, host)
	}
	for _, allow := range []string{"127.0.0.0/8", "127.0.0.1:" + port} {
		text, err := fetchText(t.Context(), client(allow), "http://a.example:"+port)
		require.NoError(t, err)
		require.Equal(t, "in", text)
	}
	open := newGate(t, Config{Allow: []string{"127.0.0.0/8"}, Resolver: resolver})
	for _, address := range []string{"nonsense", "a.example", "a.example:", "127.0.0.1", "[::1]", "a.example:0", "a.example:+80", "a.example:http", "::1:80"} {
		_, err = open.DialContext(t.Context(), "tcp", address)
		require.Equal(t, media.KindSourceInvalid, media.KindOf(err), "%s: %v", address, err)
	}
}

func fetchText(ctx context.Context, c *http.Client, url string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}
