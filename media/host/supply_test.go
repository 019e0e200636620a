package host

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// pieces are what has come of a source; behind them it waits for ever.
type pieces struct{ came chan []byte }

func (p pieces) Read(b []byte) (int, error) { return copy(b, <-p.came), nil }

// telling are pieces that tell whether one is there.
type telling struct{ pieces }

func (t telling) Ready() bool { return len(t.came) > 0 }

func TestWhatIsThereIsNotHeldBackForWhatIsNot(t *testing.T) {
	for name, c := range map[string]struct {
		sizes []int
		tells bool
		want  int
	}{
		"the end of a live segment":     {[]int{32 << 10, 20 << 10}, true, 52 << 10},
		"small pieces":                  {[]int{1000, 1000, 1000}, true, 3000},
		"more than is wanted":           {[]int{64 << 10, 64 << 10, 64 << 10}, true, 128 << 10},
		"a row that tells of none":      {[]int{16 << 10, 1000}, false, 16<<10 + 1000},
		"a piece that tells of no more": {[]int{1000, 1000}, false, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			p := pieces{make(chan []byte, len(c.sizes))}
			for _, size := range c.sizes {
				p.came <- make([]byte, size)
			}
			from := io.Reader(p)
			if c.tells {
				from = telling{p}
			}
			n, err := readWhatIsThere(from, make([]byte, 128<<10))
			require.NoError(t, err)
			require.Equal(t, c.want, n)
		})
	}
}
