package hls

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func encrypt(plain, secret, iv []byte) []byte {
	block, _ := aes.NewCipher(secret)
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	out := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, out)
	return out
}

func TestWhatIsEncryptedIsReadHoweverItComes(t *testing.T) {
	secret, iv := []byte("0123456789abcdef"), (&key{}).vector(7)
	require.Equal(t, byte(7), iv[15])
	require.Equal(t, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x23}, (&key{iv: "0x123"}).vector(7))
	for _, size := range []int{0, 1, 15, 16, 17, 31, 32, chunkSize, chunkSize + 1, 3*chunkSize - 1} {
		plain := bytes.Repeat([]byte("x"), size)
		for name, from := range map[string]func(io.Reader) io.Reader{
			"as it is": func(r io.Reader) io.Reader { return r }, "byte for byte": iotest.OneByteReader, "with its end": iotest.DataErrReader,
		} {
			d, err := newDecrypter(from(bytes.NewReader(encrypt(plain, secret, iv))), secret, iv)
			require.NoError(t, err)
			got, err := io.ReadAll(d)
			require.NoError(t, err, "%d %s", size, name)
			require.True(t, bytes.Equal(plain, got), "%d %s", size, name)
		}
	}
}

func TestWhatIsEncryptedByAnotherKeySaysSo(t *testing.T) {
	secret, iv := []byte("0123456789abcdef"), make([]byte, 16)
	d, err := newDecrypter(bytes.NewReader(encrypt([]byte("hello"), []byte("another-key-is-0"), iv)), secret, iv)
	require.NoError(t, err)
	_, err = io.ReadAll(d)
	require.Equal(t, media.KindSourceInvalid, media.KindOf(err))
	require.ErrorContains(t, err, "cannot be decrypted")
}

// id3 is a tag with the clock of packed audio.
func id3(at time.Duration) []byte {
	body := append([]byte(clockOwner+"\x00"), binary.BigEndian.AppendUint64(nil, uint64(at*90000/time.Second))...)
	frame := append([]byte{'P', 'R', 'I', 'V', 0, 0, 0, byte(len(body)), 0, 0}, body...)
	return append([]byte{'I', 'D', '3', 4, 0, 0, 0, 0, 0, byte(len(frame))}, frame...)
}

func TestTheClockOfPackedAudioIsReadAndItsTagsAreNot(t *testing.T) {
	other := append([]byte("ID3\x04\x00\x00\x00\x00\x00\x0bTIT2\x00\x00\x00\x01\x00\x00"), 'x')
	for name, c := range map[string]struct {
		body []byte
		at   time.Duration
		told bool
		rest string
	}{
		"with a clock":         {append(id3(90*time.Second), "adts"...), 90 * time.Second, true, "adts"},
		"behind another tag":   {append(append(other, id3(time.Second)...), "adts"...), time.Second, true, "adts"},
		"a tag without one":    {append(bytes.Clone(other), "adts"...), 0, false, "adts"},
		"no tag":               {[]byte("adts of ten bytes"), 0, false, "adts of ten bytes"},
		"a tag of 200 MB":      {[]byte("ID3\x04\x00\x00\x7f\x00\x00\x00adts"), 0, false, "ID3\x04\x00\x00\x7f\x00\x00\x00adts"},
		"frames past the end":  {[]byte("ID3\x04\x00\x00\x00\x00\x00\x0aPRIV\x00\x00\x7f\x00\x00\x00adts"), 0, false, "adts"},
		"nothing but its name": {[]byte("ID3"), 0, false, "ID3"},
	} {
		body := bufio.NewReader(bytes.NewReader(c.body))
		at, told := passTag(body)
		require.Equal(t, c.at, at, name)
		require.Equal(t, c.told, told, name)
		rest, err := io.ReadAll(body)
		require.NoError(t, err)
		require.Equal(t, c.rest, string(rest), name)
	}
}

func TestAddressesInAPlaylistAreTakenAsTheyAreWritten(t *testing.T) {
	const base = "https://u:p@a.example:8443/live/x/a.m3u8?token=1#at"
	for link, want := range map[string]string{
		"b.ts":                     "https://u:p@a.example:8443/live/x/b.ts",
		"../b.ts?sig=a%2Fb+c/==":   "https://u:p@a.example:8443/live/b.ts?sig=a%2Fb+c/==",
		"/b%20c/%E4%BD%A0.ts":      "https://u:p@a.example:8443/b%20c/%E4%BD%A0.ts",
		"a%2Fb.ts#odd":             "https://u:p@a.example:8443/live/x/a%2Fb.ts",
		"100%.ts":                  "https://u:p@a.example:8443/live/x/100%25.ts",
		"a b.ts":                   "https://u:p@a.example:8443/live/x/a%20b.ts",
		"//cdn.example/b.ts":       "https://cdn.example/b.ts",
		"http://cdn.example:80/?a": "http://cdn.example:80/?a",
		"?token=2":                 "https://u:p@a.example:8443/live/x/a.m3u8?token=2",
	} {
		got, err := resolve(base, link)
		require.NoError(t, err, link)
		require.Equal(t, want, got, link)
	}
	_, err := resolve(base, "http://[::1/canary")
	require.Equal(t, media.KindSourceInvalid, media.KindOf(err))
	require.NotContains(t, err.Error(), "canary")
}

func TestAFeedTellsWhetherSomethingIsThere(t *testing.T) {
	items := make(chan item, 3)
	f := &feed{ctx: t.Context(), loader: &loader{items: items}}
	require.False(t, f.Ready())
	items <- item{segment: &segment{}}
	items <- item{data: []byte("abc")}
	require.True(t, f.Ready())
	b := make([]byte, 2)
	for _, left := range []bool{true, false} {
		_, err := f.Read(b)
		require.NoError(t, err)
		require.Equal(t, left, f.Ready())
	}
}

func TestAnAddressOfPercentSignsIsReadInOneGo(t *testing.T) {
	link := strings.Repeat("%", mostLine)
	var got string
	made := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			got = escaped(link)
		}
	})
	require.Equal(t, strings.Repeat("%25", mostLine), got)
	require.Less(t, made.AllocedBytesPerOp(), int64(100*mostLine), "no part of it is copied again and again")
}
