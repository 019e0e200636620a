package hostile

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestABodyIsReadInPartsAsInOne(t *testing.T) {
	b := Body{held([]byte("head")), repeated([]byte("abc"), 1000), held([]byte("tail"))}
	all := b.Bytes()
	require.Len(t, all, 1008)
	for at := range all {
		part := make([]byte, 7)
		n, _ := b.ReadAt(part, int64(at))
		require.Equal(t, all[at:at+n], part[:n])
		require.Equal(t, min(7, len(all)-at), n)
	}
}

func TestWhatIsPackedIsWhatItWasMadeOf(t *testing.T) {
	const size = 3*block + 7
	begin, end := []byte("before"), []byte("behind")
	z, err := zlib.NewReader(bytes.NewReader(zlibbed(begin, size)))
	require.NoError(t, err)
	got, err := io.ReadAll(z)
	require.NoError(t, err)
	require.True(t, bytes.Equal(cat(begin, zeros(size)), got))
	g, err := gzip.NewReader(bytes.NewReader(gzipped(begin, size, end)))
	require.NoError(t, err)
	got, err = io.ReadAll(g)
	require.NoError(t, err)
	require.True(t, bytes.Equal(cat(begin, zeros(size), end), got))
}

// TestChaosEveryBombHasANameAndIsServed serves the worst, at full size all.
func TestChaosEveryBombHasANameAndIsServed(t *testing.T) {
	full := os.Getenv("CHAOS") == "full"
	bombs := Bombs()
	site := NewSite(bombs)
	s := httptest.NewServer(site)
	t.Cleanup(s.Close)
	names := map[string]bool{}
	for n, b := range bombs {
		require.False(t, names[b.Name], b.Name)
		names[b.Name] = true
		if !full && !b.Worst {
			continue
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+site.Path(n), nil)
		require.NoError(t, err)
		r.Header.Set("Accept-Encoding", "identity")
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err, b.Name)
		require.Equal(t, http.StatusOK, resp.StatusCode, b.Name)
		begin := make([]byte, 200)
		_, err = io.ReadFull(resp.Body, begin)
		require.NoError(t, err, b.Name)
		require.NoError(t, resp.Body.Close())
	}
}

func TestEveryHostileServerHasANameAndAnswersSomething(t *testing.T) {
	site := NewSite(Servers())
	s := httptest.NewServer(site)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	names := map[string]bool{}
	for n, b := range Servers() {
		require.False(t, names[b.Name], b.Name)
		names[b.Name] = true
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		require.NoError(t, err)
		_, err = io.WriteString(c, "GET "+site.Path(n)+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		require.NoError(t, err)
		_, err = io.ReadFull(c, make([]byte, 10))
		require.NoError(t, err, b.Name)
		require.NoError(t, c.Close())
	}
}

func TestAMutationIsTheSameEachTimeAndKnowsUnits(t *testing.T) {
	for name, file := range map[string][]byte{
		"mp4": claims(2, 1000)().Bytes(), "mkv": tags(20)().Bytes(), "ts": manyPIDs(2, 3, 1000)().Bytes(), "flv": metadataKeys(10)().Bytes(),
		"avi": aviStreams(3)().Bytes(), "ogg": oggStreams(3)().Bytes(), "mp3": texts(3)().Bytes(),
	} {
		require.GreaterOrEqual(t, len(unitsOf(file)), 3, name)
		changed := 0
		for seed := range uint64(60) {
			one := Mutate(file, seed)
			require.Equal(t, one, Mutate(file, seed), name)
			require.LessOrEqual(t, len(one), most)
			if string(one) != string(file) {
				changed++
			}
		}
		require.Greater(t, changed, 30, name)
	}
}
