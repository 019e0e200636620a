package media

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASourceIsPoisonedByDeathsInARowAndNotByKillings(t *testing.T) {
	c := &Conduct{}
	for range 3 * mostKillings {
		require.False(t, c.Died(Killing, false))
	}
	require.True(t, c.Harried())
	require.False(t, c.Died(Death, false))
	require.False(t, c.Died(Death, true), "it has got further")
	require.False(t, c.Harried())
	require.True(t, c.Dying())
	require.True(t, c.Died(Death, false))
}
