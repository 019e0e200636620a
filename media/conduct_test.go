package media

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASourceIsPoisonedByDeathsInARowAndNotByKillingsOrDeathsBesideOthers(t *testing.T) {
	c := &Conduct{}
	for range 3 * mostKillings {
		c.Died(Killing, false)
		c.Died(Beside, false)
		require.False(t, c.Poisoned())
	}
	require.True(t, c.Harried())
	c.Died(Death, false)
	c.Died(Death, true)
	require.False(t, c.Poisoned(), "it has got further")
	require.False(t, c.Harried())
	require.True(t, c.Apart())
	c.Died(Death, false)
	require.True(t, c.Poisoned())
}

func TestWhatASourceHasDoneIsForgottenWhenNothingHasDiedOfItForAWhile(t *testing.T) {
	c := &Conduct{}
	c.Died(Death, false)
	c.Forgive()
	require.False(t, c.Apart())
	c.Died(Death, false)
	require.False(t, c.Poisoned())
}
