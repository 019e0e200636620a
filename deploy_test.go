package roomcast_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/config"
)

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

func TestComposePassesEverySettingOn(t *testing.T) {
	compose := text(t, "docker-compose.yml")
	for _, s := range config.Describe() {
		assert.Contains(t, compose, " "+s.Name+": ", "docker-compose.yml")
	}
	for _, m := range regexp.MustCompile(`(?m)^ +(ROOMCAST_\w+): \$\{(\w+)`).FindAllStringSubmatch(compose, -1) {
		assert.Equal(t, m[1], m[2])
	}
}

// Two services that build one image fail each other where they are built side
// by side: the newer plugin does that.
func TestEachImageIsBuiltByOneService(t *testing.T) {
	built := map[string]bool{}
	for _, m := range regexp.MustCompile(`build: .*target: (\w+)`).FindAllStringSubmatch(text(t, "docker-compose.yml"), -1) {
		assert.False(t, built[m[1]], "%s is built twice", m[1])
		built[m[1]] = true
	}
	assert.Len(t, built, 3)
	assert.NotContains(t, text(t, "docker-compose.yml"), "build: *")
}

// The Go that builds the images is the one go.mod asks for.
func TestTheImagesAreBuiltWithOurGo(t *testing.T) {
	m := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindStringSubmatch(text(t, "go.mod"))
	require.Len(t, m, 2)
	assert.Contains(t, text(t, "deploy/Dockerfile"), "GO_IMAGE=golang:"+m[1]+"-")
}

func TestTheEnvFileIsWrittenOnceWithSettingsThatLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	write := func() string {
		out, err := exec.Command("scripts/env-file", path).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	assert.Contains(t, write(), "written")
	first := text(t, path)
	assert.Contains(t, write(), "stays as it is")
	assert.Equal(t, first, text(t, path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	var environ []string
	for line := range strings.Lines(first) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, config.Prefix) {
			environ = append(environ, line)
		}
	}
	cfg, _, err := config.Load(environ)
	require.NoError(t, err)
	assert.Len(t, cfg.APIKeys, 1)
	assert.Len(t, cfg.SDKKeys, 1)
}

// Whether a program is where a unit says is left to who installs it: programs
// of the same names stand in for them.
func TestSystemdFindsNothingWrongWithTheUnits(t *testing.T) {
	dir := t.TempDir()
	units, err := filepath.Glob("deploy/systemd/*.service")
	require.NoError(t, err)
	require.NotEmpty(t, units)
	args := []string{"verify", "--man=no"}
	for _, name := range []string{"api", "worker"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o700))
	}
	for _, unit := range units {
		moved := strings.ReplaceAll(text(t, unit), "/usr/local/bin/", dir+"/")
		path := filepath.Join(dir, strings.Replace(filepath.Base(unit), "@.", "@8081.", 1))
		require.NoError(t, os.WriteFile(path, []byte(moved), 0o600))
		args = append(args, path)
	}
	out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	assert.NoError(t, err)
	assert.Empty(t, string(out))
}
