package host

import (
	"context"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"
)

func TestASessionThatIsOverIsNotKeptUntilItsPushIs(t *testing.T) {
	here, there, err := socketPair()
	require.NoError(t, err)
	defer func() { _ = there.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := newConn(here)
	kept := weak.Make(c)
	c.bound(ctx)
	c.leave(time.Second)
	require.NoError(t, c.Close())
	runtime.GC()
	require.Nil(t, kept.Value())
}
