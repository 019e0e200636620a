package roomcast_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNoTestIsOutOfReach finds tests that neither `make test` nor `make chaos`
// runs.
func TestNoTestIsOutOfReach(t *testing.T) {
	cmd := exec.Command("go", "list", "-f", `{{.Dir}}{{range .IgnoredGoFiles}} {{.}}{{end}}`, "./...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	out, err := cmd.Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		left := slices.DeleteFunc(strings.Fields(line)[1:], func(f string) bool { return !strings.HasSuffix(f, "_test.go") })
		assert.Empty(t, left, "a build constraint keeps them from every run: %s", line)
	}

	chaos := regexp.MustCompile(`(?ms)^chaos:.*?\n\n`).FindString(text(t, "Makefile"))
	packages := regexp.MustCompile(`\./\S+[a-z0-9]`).FindAllString(chaos, -1)
	require.NoError(t, filepath.WalkDir(".", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") || !strings.Contains(text(t, path), "\nfunc TestChaos") {
			return err
		}
		assert.Contains(t, packages, "./"+filepath.Dir(path), "make chaos leaves %s out", path)
		return nil
	}))
}
