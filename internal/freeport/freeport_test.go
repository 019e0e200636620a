package freeport

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFoundPortCanBeListenedOn(t *testing.T) {
	port, err := Find()
	require.NoError(t, err)
	l, err := net.Listen("tcp", Addr(port))
	require.NoError(t, err)
	require.NoError(t, l.Close())
}
