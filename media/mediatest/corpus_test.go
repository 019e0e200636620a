package mediatest_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

func TestTheCorpusIsMadeAndHoldsFlashAndBeep(t *testing.T) {
	corpus := mediatest.Corpus()
	require.GreaterOrEqual(t, len(corpus), 40)
	names := map[string]bool{}
	var mu sync.Mutex
	for _, s := range corpus {
		require.False(t, names[s.Name], s.Name)
		names[s.Name] = true
	}
	began := time.Now()
	for _, s := range corpus {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			path := s.Path(t)
			r := mediatest.Judge(t, path)
			mu.Lock()
			defer mu.Unlock()
			t.Logf("%v %s\n%v", time.Since(began), path, r)
			require.NotEmpty(t, r.Flashes, strings.Join(r.Errors, "\n"))
		})
	}
}
