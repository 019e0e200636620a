package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/roomcast/roomcast/internal/config"
)

func TestUsageNamesEverySetting(t *testing.T) {
	text := config.Usage("api", "It serves.")
	assert.True(t, strings.HasPrefix(text, "Usage: api\n\nIt serves. It takes no arguments"))
	words := strings.Join(strings.Fields(text), " ")
	for _, s := range config.Describe() {
		assert.Contains(t, text, "\n  "+s.Name)
		assert.Contains(t, words, strings.Join(strings.Fields(s.Meaning), " "))
	}
	for line := range strings.Lines(text) {
		assert.LessOrEqual(t, len(line), 101)
	}
}
