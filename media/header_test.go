package media

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAHeaderMayBeSentUnlessItIsNoneOrOurs(t *testing.T) {
	for _, name := range []string{"Authorization", "X-Token", "cookie", "User-Agent", "X_1.~"} {
		require.NoError(t, CheckHeader(name, "some\tvalue; and=more"), name)
	}
	for _, name := range []string{"Host", "RANGE", "Connection", "content-length", "Transfer-Encoding", "TE", "Upgrade", "Expect", "Proxy-Authorization"} {
		require.ErrorContains(t, CheckHeader(name, "v"), "sets itself", name)
	}
	for _, name := range []string{"", "a b", "a:b", "a\r\nb", "ü", "a(b)"} {
		require.ErrorContains(t, CheckHeader(name, "v"), "name", name)
	}
	for _, value := range []Secret{"a\r\nHost: b", "a\nb", "a\x00", "a\x7f"} {
		err := CheckHeader("X-Token", value)
		require.ErrorContains(t, err, "control character")
		require.NotContains(t, err.Error(), value.Reveal())
	}
}
