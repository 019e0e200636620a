package mediatest_test

import (
	"testing"

	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

func TestEverySampleOfTheCorpusCanBeMade(t *testing.T) {
	corpus := mediatest.Corpus()
	require.GreaterOrEqual(t, len(corpus), 40)
	names := map[string]bool{}
	for _, s := range corpus {
		require.False(t, names[s.Name], s.Name)
		names[s.Name] = true
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			require.FileExists(t, s.Path(t))
		})
	}
}
