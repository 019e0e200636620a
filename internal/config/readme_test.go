package config_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/config"
)

var update = flag.Bool("update", false, "write the table of settings into README.md")

const (
	readme = "../../README.md"
	begin  = "<!-- settings -->\n"
	end    = "<!-- /settings -->"
)

// table is Describe in Markdown.
func table() string {
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, s := range config.Describe() {
		value := ""
		if s.Default != "" {
			value = "`" + s.Default + "`"
		}
		meaning := strings.ReplaceAll(s.Meaning, "|", `\|`)
		b.WriteString("| `" + s.Name + "` | " + value + " | " + meaning + " |\n")
	}
	return b.String()
}

func TestREADMEHasTheTableOfSettings(t *testing.T) {
	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok, "README.md has no line %q", begin)
	got, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "README.md has no line %q", end)
	if *update {
		require.NoError(t, os.WriteFile(readme, []byte(before+begin+table()+end+after), 0o644))
		return
	}
	assert.Equal(t, table(), got, "run: go test ./internal/config -update")
}

func TestEverySettingHasAMeaning(t *testing.T) {
	for _, s := range config.Describe() {
		assert.Regexp(t, `^ROOMCAST_[A-Z_]+$`, s.Name)
		assert.NotEmpty(t, s.Meaning, s.Name)
	}
}
