package roomcast_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryTestThatTheListOfSourcesNamesIsThere(t *testing.T) {
	var all strings.Builder
	require.NoError(t, filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		if err == nil && strings.HasSuffix(path, "_test.go") {
			all.WriteString(text(t, path))
		}
		return err
	}))
	named := regexp.MustCompile(`\bTest\w+`).FindAllString(text(t, "docs/sources.md"), -1)
	require.NotEmpty(t, named)
	for _, name := range named {
		assert.Contains(t, all.String(), "\nfunc "+name+"(t *testing.T)", "docs/sources.md")
	}
}
