package mediatest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnNginxOnAPortThatAnotherHasIsNotTakenForIt(t *testing.T) {
	t.Parallel()
	first := StartNginx(t, NginxConfig{})
	second := &Nginx{HTTP: first.HTTP, dir: t.TempDir(), changed: make(chan struct{})}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.True(t, first.answers(ctx))
	require.False(t, second.answers(ctx))
}
