package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/config"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "canary")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestEverySecretMayComeFromAFile(t *testing.T) {
	c, warnings, err := load("SECRET_KEY=",
		"SECRET_KEY_FILE="+file(t, secretKey(2)+"\n"),
		"REDIS_URL_FILE="+file(t, "redis://:p@r:6379/0\r\n"),
		"SDK_KEYS_FILE="+file(t, "20=d"),
		"API_KEYS_FILE="+file(t, "ci:"+digest("a")+"\n"))
	require.NoError(t, err)
	assert.Empty(t, warnings)
	assert.Equal(t, secretKey(2), c.SecretKey.Reveal())
	assert.Equal(t, "redis://:p@r:6379/0", c.RedisURL.Reveal())
	assert.Equal(t, config.SDKKeys{20: "d"}, c.SDKKeys)
	assert.Len(t, c.APIKeys, 1)
}

func TestAnEmptyNameOfAFileIsNone(t *testing.T) {
	c, _, err := load("SECRET_KEY_FILE=")
	require.NoError(t, err)
	assert.Equal(t, secretKey(1), c.SecretKey.Reveal())
}

func TestASettingThatIsNoSecretComesFromNoFile(t *testing.T) {
	_, warnings, err := load("LISTEN_FILE=" + file(t, "127.0.0.1:1"))
	require.NoError(t, err)
	require.Len(t, warnings, 1)
}

// Nothing of a file is shown, nor its name: that may be a key in the wrong
// place.
func TestAFileThatCannotBeUsedIsSaidWithoutWhatItHolds(t *testing.T) {
	for name, c := range map[string]struct {
		settings []string
		want     string
	}{
		"both are set":       {[]string{"SECRET_KEY_FILE=" + file(t, secretKey(2))}, "ROOMCAST_SECRET_KEY and ROOMCAST_SECRET_KEY_FILE are both set"},
		"it is not there":    {[]string{"SECRET_KEY=", "SECRET_KEY_FILE=/nowhere/canary"}, "ROOMCAST_SECRET_KEY cannot be read from the file that ROOMCAST_SECRET_KEY_FILE names: no such file"},
		"it is a directory":  {[]string{"SDK_KEYS_FILE=" + t.TempDir()}, "is a directory"},
		"it is empty":        {[]string{"API_KEYS_FILE=" + file(t, "\n")}, "it is empty"},
		"it is too large":    {[]string{"SDK_KEYS_FILE=" + file(t, strings.Repeat("canary", 11000))}, "it is larger than 65536 bytes"},
		"what it holds is":   {[]string{"SDK_KEYS_FILE=" + file(t, "canary")}, "ROOMCAST_SDK_KEYS entry 1: must be appid=key"},
		"nothing beside it":  {[]string{"LISTEN=:1", "API_KEYS_FILE=/nowhere/canary"}, "ROOMCAST_API_KEYS cannot be read"},
		"it holds no key":    {[]string{"SECRET_KEY=", "SECRET_KEY_FILE=" + file(t, "canary")}, "ROOMCAST_SECRET_KEY must be base64"},
		"its name is broken": {[]string{"SDK_KEYS_FILE=can\x00ary"}, "invalid argument"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := load(c.settings...)
			var e *config.Error
			require.ErrorAs(t, err, &e)
			require.Len(t, e.Problems, 1, "%s", err)
			assert.Contains(t, err.Error(), c.want)
			assert.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestAWorkerLooksAtNothingOfTheAPIs(t *testing.T) {
	environ := []string{
		"ROOMCAST_SECRET_KEY=" + secretKey(1), "ROOMCAST_LISTEN=:8080",
		"ROOMCAST_API_KEYS=canary", "ROOMCAST_API_KEYS_FILE=/nowhere",
	}
	_, _, err := config.Load(environ)
	require.Error(t, err)
	c, warnings, err := config.LoadWorker(environ)
	require.NoError(t, err)
	assert.Empty(t, warnings)
	assert.Empty(t, c.APIKeys)
	c, _, err = config.LoadWorker(environ[:2])
	require.NoError(t, err)
	assert.Empty(t, c.APIKeys)
}
