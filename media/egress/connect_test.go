package egress

import (
	"bytes"
	"strings"
	"testing"

	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/stretchr/testify/require"
)

// The password is blanked wherever the chunk heads fall in it.
func TestBlankingAtEveryChunkBoundary(t *testing.T) {
	for _, password := range []string{"0123456789abcdefghij-_", "000000000000000000000a", "LNX9LNX9LNX9LNX9LNX9LN"} {
		requireBlanked(t, password)
	}
	require.False(t, blank([]byte("0123456789"), "0123456789abcdefghij-_"))
	require.False(t, blank(nil, "0123456789abcdefghij-_"))
}

func requireBlanked(t *testing.T, password string) {
	t.Helper()
	for _, chunk := range []uint32{128, 64, 40, 4096} {
		for n := range 200 {
			var sent bytes.Buffer
			rw := message.NewWriter(&sent, bytecounter.NewWriter(&sent), false)
			app := strings.Repeat("a", n)
			if chunk != 128 {
				require.NoError(t, rw.Write(&message.SetChunkSize{Value: chunk}))
			}
			require.NoError(t, rw.Write(connectOf(app, flashVersion+password, "rtmp://h/"+app)))
			want := sent.Len()
			head, err := readConnect(&sent, flashVersion+password)
			require.NoError(t, err)
			require.True(t, blank(head, password))
			require.Len(t, head, want)
			_, err = readConnect(bytes.NewReader(head), flashVersion+strings.Repeat(" ", len(password)))
			require.NoError(t, err, "chunk size %d, app of %d", chunk, n)
		}
	}
}

func FuzzConnect(f *testing.F) {
	const password = "0123456789abcdefghij-_"
	var sent bytes.Buffer
	_ = message.NewWriter(&sent, bytecounter.NewWriter(&sent), false).Write(connectOf("live", flashVersion+password, "rtmp://h/live"))
	f.Add(sent.Bytes())
	f.Fuzz(func(t *testing.T, stream []byte) {
		head, err := readConnect(bytes.NewReader(stream), flashVersion+password)
		if err == nil && blank(head, password) {
			require.NotContains(t, string(head[:len(head)-len(bytes.TrimLeft(head, " "))]), password)
		}
		require.LessOrEqual(t, len(head), maxConnect)
	})
}
