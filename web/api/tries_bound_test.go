package api

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsRememberedOfWrongKeysIsBounded(t *testing.T) {
	var all tries
	remote := func(n int) string { return fmt.Sprintf("10.%d.%d.%d:1", n>>16, n>>8&255, n&255) }
	for n := range 2 * maxTriers {
		require.Zero(t, all.note(remote(n), true))
	}
	require.Len(t, all.wrong, maxTriers)
	for range maxTries - 1 {
		require.Zero(t, all.note(remote(7), true))
	}
	require.Positive(t, all.note(remote(7), true), "those that are known are counted on")
	for range 2 * maxTries {
		require.Zero(t, all.note(remote(maxTriers), true), "there is no room for one more")
	}
	for range 2 * maxTries {
		all.note("@", true) // a Unix socket's, say
	}
	require.Zero(t, all.note("@", false))
}
