package tasks

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsAskedForWhileAttemptsAreLookedUpIsAskedForStill(t *testing.T) {
	var asked askedRenews
	asked.add("a")
	a, b := newAttempt(Lease{ID: "a"}, Push{}), newAttempt(Lease{ID: "b"}, Push{})
	chosen, _ := asked.of(func() []*attempt {
		asked.add("b")
		return []*attempt{a}
	})
	require.Equal(t, []*attempt{a}, chosen)
	chosen, _ = asked.of(func() []*attempt { return []*attempt{a, b} })
	require.Equal(t, []*attempt{b}, chosen)
}
