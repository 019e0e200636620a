package e2e

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatTheClientPrintsCanBePiped(t *testing.T) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(filepath.Join(bin, "roomcast"), "usersig", "--app", "1400000001", "--user", "u")
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{"ROOMCAST_SDK_KEY=" + appKey}, &stdout, &stderr
	require.NoError(t, cmd.Run())
	require.Greater(t, stdout.Len(), 50)
	require.Empty(t, stderr.String())
}
