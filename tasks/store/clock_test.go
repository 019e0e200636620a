package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClockTellsAJumpOfRedisFromASlowAnswer(t *testing.T) {
	ours := time.Now()
	at := func(seconds float64) time.Time { return ours.Add(time.Duration(seconds * float64(time.Second))) }
	for name, c := range map[string]struct {
		begin, end, redis float64 // of the second call; the first was from 0 to 1, with Redis at 0
		jumped            bool
	}{
		"a second later":                             {2, 2.1, 2, false},
		"an answer that took eight seconds":          {2, 10, 3, false},
		"an answer that took eight seconds to leave": {2, 10, 9, false},
		"an hour ahead":                              {2, 2.1, 3600, true},
		"an hour behind":                             {2, 2.1, -3600, true},
		"two seconds ahead":                          {2, 2.1, 4.5, true},
	} {
		t.Run(name, func(t *testing.T) {
			var k clock
			require.Zero(t, k.jump(at(0), at(1), at(0)), "the first call knows nothing")
			require.Equal(t, c.jumped, k.jump(at(c.begin), at(c.end), at(c.redis)) > time.Second)
			require.LessOrEqual(t, k.jump(at(c.end), at(c.end), at(c.redis+c.end-c.begin)), time.Duration(0), "it is told once")
		})
	}
}
