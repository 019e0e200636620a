package config_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/media"
)

func secretKey(fill byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32))
}

func digest(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// load reads settings given as NAME=value without prefix, over a good key.
func load(settings ...string) (config.Config, []config.Warning, error) {
	environ := []string{"PATH=/bin", "ROOMCAST_SECRET_KEY=" + secretKey(1)}
	for _, s := range settings {
		environ = append(environ, config.Prefix+s)
	}
	return config.Load(environ)
}

func TestDefaults(t *testing.T) {
	c, warnings, err := load()
	require.NoError(t, err)
	assert.Empty(t, warnings)
	assert.Equal(t, config.Config{
		RedisURL: "redis://127.0.0.1:6379/0", Listen: "127.0.0.1:8080", SecretKey: media.Secret(secretKey(1)),
		SourceSchemes: config.List{"http", "https", "rtmp", "rtmps"}, SourceSilence: 30 * time.Second,
		WorkerSlots: 100, Workers: 1, WorkerListen: "127.0.0.1:8081", Preview: true, Lease: 3 * time.Second, RenewCap: 2 * time.Minute,
		Retention: 72 * time.Hour, ResumeTTL: 720 * time.Hour,
		Sandbox: "auto", HostPushes: 16, HostMemory: 512 << 20, EncodeHostMemory: 1 << 30,
		LogLevel: slog.LevelInfo, LogFormat: "text",
	}, c)
}

func TestASettingThatIsSetToNothingHasItsDefault(t *testing.T) {
	c, _, err := load("LISTEN=", "LEASE=", "API_KEYS=", "SOURCE_SCHEMES=", "LOG_LEVEL=")
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:8080", c.Listen)
	assert.Equal(t, 3*time.Second, c.Lease)
	assert.Len(t, c.SourceSchemes, 4)
}

func TestLoadTakes(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings []string
		get      func(config.Config) any
		want     any
	}{
		{"API keys", []string{"API_KEYS=ci:" + digest("a") + ", ops:" + digest("b")}, func(c config.Config) any { return c.APIKeys }, config.APIKeys{{Name: "ci", SHA256: sha256.Sum256([]byte("a"))}, {Name: "ops", SHA256: sha256.Sum256([]byte("b"))}}},
		{"SDK keys", []string{"SDK_KEYS=1400000000=abc=,20=d"}, func(c config.Config) any { return c.SDKKeys }, config.SDKKeys{1400000000: "abc=", 20: "d"}},
		{"several secret keys", []string{"SECRET_KEY=" + secretKey(2) + "," + strings.TrimRight(secretKey(255), "=")}, func(c config.Config) any { return len(c.SecretKey) }, 88},
		{"every address with keys", []string{"LISTEN=:8080", "API_KEYS=ci:" + digest("a")}, func(c config.Config) any { return c.Listen }, ":8080"},
		{"a free loopback port without keys", []string{"LISTEN=[::1]:0"}, func(c config.Config) any { return c.Listen }, "[::1]:0"},
		{"localhost without keys", []string{"LISTEN=localhost:0"}, func(c config.Config) any { return c.Listen }, "localhost:0"},
		{"a worker without HTTP", []string{"WORKER_LISTEN=off"}, func(c config.Config) any { return c.WorkerListen }, "off"},
		{"lists with blanks", []string{"SOURCE_ALLOW=10.0.0.0/8 , fd00::/8,nas.lan:80,,192.0.2.1,[::1]:8080"}, func(c config.Config) any { return c.SourceAllow }, config.List{"10.0.0.0/8", "fd00::/8", "nas.lan:80", "192.0.2.1", "[::1]:8080"}},
		{"what no source may be at", []string{"SOURCE_DENY=203.0.113.0/24,2001:db8::1, evil.example"}, func(c config.Config) any { return c.SourceDeny }, config.List{"203.0.113.0/24", "2001:db8::1", "evil.example"}},
		{"Redis servers of requests", []string{"PROGRESS_REDIS_ALLOW=r:6379,rediss://s:6380"}, func(c config.Config) any { return c.ProgressRedisAllow }, config.List{"r:6379", "rediss://s:6380"}},
		{"workers that share a machine", []string{"WORKERS=2"}, func(c config.Config) any { return c.Workers }, 2},
		{"a worker's cores, as compose has them unset", []string{"WORKER_CORES="}, func(c config.Config) any { return c.WorkerCores }, 0.0},
		{"a worker's cores", []string{"WORKER_CORES=1.5"}, func(c config.Config) any { return c.WorkerCores }, 1.5},
		{"a worker's memory as compose has it", []string{"WORKER_MEMORY=2g"}, func(c config.Config) any { return c.WorkerMemory }, config.Bytes(2 << 30)},
		{"a worker's memory in megabytes", []string{"WORKER_MEMORY=512M"}, func(c config.Config) any { return c.WorkerMemory }, config.Bytes(512 << 20)},
		{"a worker's memory with a fraction", []string{"WORKER_MEMORY=1.5GiB"}, func(c config.Config) any { return c.WorkerMemory }, config.Bytes(3 << 29)},
		{"a worker's memory as Kubernetes has it", []string{"WORKER_MEMORY=1Gi"}, func(c config.Config) any { return c.WorkerMemory }, config.Bytes(1 << 30)},
		{"a worker's memory in bytes", []string{"WORKER_MEMORY=1073741824"}, func(c config.Config) any { return c.WorkerMemory }, config.Bytes(1 << 30)},
		{"a level", []string{"LOG_LEVEL=debug"}, func(c config.Config) any { return c.LogLevel }, slog.LevelDebug},
		{"no longest duration", []string{"MAX_DURATION=0"}, func(c config.Config) any { return c.MaxDuration }, time.Duration(0)},
		{"a longest duration", []string{"MAX_DURATION=12h"}, func(c config.Config) any { return c.MaxDuration }, 12 * time.Hour},
		{"where webhooks go", []string{"WEBHOOK_URL=http://hooks:8080/a?b", "WEBHOOK_SECRET=whsec_" + secretKey(1) + "," + secretKey(2)}, func(c config.Config) any { return c.WebhookSecrets() }, []string{"whsec_" + secretKey(1), secretKey(2)}},
		{"what callbacks may reach", []string{"WEBHOOK_ALLOW=10.0.0.0/8"}, func(c config.Config) any { return c.WebhookAllow }, config.List{"10.0.0.0/8"}},
		{"an endpoint", []string{"RTMP_ENDPOINT=rtmp://127.0.0.1:1935/push"}, func(c config.Config) any { return c.RTMPEndpoint }, "rtmp://127.0.0.1:1935/push"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, warnings, err := load(tt.settings...)
			require.NoError(t, err)
			assert.Empty(t, warnings)
			assert.Equal(t, tt.want, tt.get(c))
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, tt := range []struct{ name, setting, want string }{
		{"no secret key", "SECRET_KEY=", "ROOMCAST_SECRET_KEY is required; make one with"},
		{"a short secret key", "SECRET_KEY=Y2FuYXJ5", "ROOMCAST_SECRET_KEY must be base64 of 32 bytes"},
		{"a secret key that is no base64", "SECRET_KEY=canary!", "ROOMCAST_SECRET_KEY must be base64 of 32 bytes"},
		{"a key's text in place of its digest", "API_KEYS=ci:canary", "ROOMCAST_API_KEYS entry 1: must end in the key's SHA-256 as 64 hex digits"},
		{"a digest without a name", "API_KEYS=" + digest("canary"), "ROOMCAST_API_KEYS entry 1: must be name:sha256hex"},
		{"one key under two names", "API_KEYS=a:" + digest("x") + ",b:" + digest("x"), "ROOMCAST_API_KEYS entry 2 (b) has the name or the key of an earlier one"},
		{"an SDK key without an app", "SDK_KEYS=canary", "ROOMCAST_SDK_KEYS entry 1: must be appid=key"},
		{"an app twice", "SDK_KEYS=1=a,1=b", "ROOMCAST_SDK_KEYS entry 2: application 1 has a key already"},
		{"every address without keys", "LISTEN=:8080", "ROOMCAST_LISTEN must be a loopback address"},
		{"a public address without keys", "LISTEN=192.0.2.1:8080", "ROOMCAST_LISTEN must be a loopback address"},
		{"an address without a port", "LISTEN=127.0.0.1", "ROOMCAST_LISTEN must be host:port"},
		{"a Redis that is no URL", "REDIS_URL=canary", "ROOMCAST_REDIS_URL must be a URL"},
		{"a duration without a unit", "LEASE=3", "ROOMCAST_LEASE must be a duration such as"},
		{"a lease too short to renew", "LEASE=100ms", "ROOMCAST_LEASE must be a duration from 3s to 1m"},
		{"a lease that ends with one renew that is missed", "LEASE=2900ms", "ROOMCAST_LEASE must be a duration from 3s to 1m"},
		{"a cap below the lease", "RENEW_CAP=2s", "ROOMCAST_RENEW_CAP must be a duration from ROOMCAST_LEASE"},
		{"no workers", "WORKERS=0", "ROOMCAST_WORKERS must be a whole number from 1"},
		{"no slots", "WORKER_SLOTS=0", "ROOMCAST_WORKER_SLOTS must be a whole number from 1"},
		{"hardly a core", "WORKER_CORES=0.01", "ROOMCAST_WORKER_CORES must be a number of cores from 0.1 to 1024"},
		{"no number of cores", "WORKER_CORES=NaN", "ROOMCAST_WORKER_CORES must be a number of cores"},
		{"cores in words", "WORKER_CORES=all", "ROOMCAST_WORKER_CORES must be a number"},
		{"a memory in words", "WORKER_MEMORY=much", "ROOMCAST_WORKER_MEMORY must be a size such as 512m, 2g or 1.5GiB"},
		{"a memory that no machine has", "WORKER_MEMORY=99999999999g", "ROOMCAST_WORKER_MEMORY must be a size such as"},
		{"a memory that a worker alone would take", "WORKER_MEMORY=64m", "ROOMCAST_WORKER_MEMORY must be at least 128m"},
		{"a preview in words", "PREVIEW=perhaps", "ROOMCAST_PREVIEW must be true or false"},
		{"a sandbox of some other kind", "SANDBOX=perhaps", "ROOMCAST_SANDBOX must be auto, require or off"},
		{"a media host for nobody", "HOST_PUSHES=0", "ROOMCAST_HOST_PUSHES must be a whole number from 1 to 200"},
		{"a media host for everybody", "HOST_PUSHES=201", "ROOMCAST_HOST_PUSHES must be a whole number from 1 to 200"},
		{"a media host that could not start", "HOST_MEMORY=64m", "ROOMCAST_HOST_MEMORY must be at least 128m and 4m for each of ROOMCAST_HOST_PUSHES"},
		{"a media host with room for few of its pushes", "HOST_PUSHES=100", "ROOMCAST_HOST_MEMORY must be at least 128m and 4m for each of ROOMCAST_HOST_PUSHES"},
		{"a media host that re-encodes in less", "ENCODE_HOST_MEMORY=256m", "ROOMCAST_ENCODE_HOST_MEMORY must be at least 384m, and ROOMCAST_HOST_MEMORY"},
		{"slots in words", "WORKER_SLOTS=many", "ROOMCAST_WORKER_SLOTS must be a whole number"},
		{"a scheme there is no way for", "SOURCE_SCHEMES=http,file", "ROOMCAST_SOURCE_SCHEMES may list only http, https, rtmp, rtmps"},
		{"a denied source with a port", "SOURCE_DENY=nas.lan:80", "ROOMCAST_SOURCE_DENY must list networks"},
		{"a source that is a URL", "SOURCE_ALLOW=http://nas/", "ROOMCAST_SOURCE_ALLOW must list networks"},
		{"a Redis host without a port", "PROGRESS_REDIS_ALLOW=r", "ROOMCAST_PROGRESS_REDIS_ALLOW must list host:port"},
		{"an endpoint of another protocol", "RTMP_ENDPOINT=http://a/push", "ROOMCAST_RTMP_ENDPOINT must be rtmp://"},
		{"an endpoint with a password", "RTMP_ENDPOINT=rtmp://u:canary@a/push", "ROOMCAST_RTMP_ENDPOINT must be rtmp://"},
		{"a level that is none", "LOG_LEVEL=loud", "ROOMCAST_LOG_LEVEL must be debug, info, warn or error"},
		{"a format that is none", "LOG_FORMAT=xml", "ROOMCAST_LOG_FORMAT must be text or json"},
		{"a longest duration below a second", "MAX_DURATION=1ms", "ROOMCAST_MAX_DURATION must be 0 for no limit, or a duration from 1s"},
		{"a longest duration below nothing", "MAX_DURATION=-1h", "ROOMCAST_MAX_DURATION must be 0 for no limit, or a duration from 1s"},
		{"webhooks that nobody signs", "WEBHOOK_URL=http://canary/", "ROOMCAST_WEBHOOK_SECRET is required with ROOMCAST_WEBHOOK_URL"},
		{"a secret of webhooks that is too short", "WEBHOOK_SECRET=whsec_Y2FuYXJ5", "ROOMCAST_WEBHOOK_SECRET must be whsec_ and base64 of 24 to 64 bytes"},
		{"a secret of webhooks that is no base64", "WEBHOOK_SECRET=canary!", "ROOMCAST_WEBHOOK_SECRET must be whsec_"},
		{"a place for callbacks that is a URL", "WEBHOOK_ALLOW=http://nas/", "ROOMCAST_WEBHOOK_ALLOW must list networks"},
		{"no time to keep records", "RETENTION=0s", "ROOMCAST_RETENTION must be a duration from 1m"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := load(tt.setting)
			var e *config.Error
			require.ErrorAs(t, err, &e)
			require.Len(t, e.Problems, 1, "%s", err)
			assert.Contains(t, err.Error(), tt.want)
			assert.NotContains(t, err.Error(), "canary")
			assert.NotContains(t, err.Error(), digest("canary"))
		})
	}
}

func TestAllProblemsComeAtOnceInTheOrderOfTheTable(t *testing.T) {
	_, _, err := load("LOG_FORMAT=xml", "SECRET_KEY=x", "LEASE=soon", "API_KEYS=x", "LISTEN=:1")
	var e *config.Error
	require.ErrorAs(t, err, &e)
	var names []string
	for _, p := range e.Problems {
		names = append(names, strings.TrimPrefix(p.Name, config.Prefix))
	}
	assert.Equal(t, []string{"API_KEYS", "SECRET_KEY", "LEASE", "LOG_FORMAT"}, names)
}

func TestUnknownNamesAreWarnedAbout(t *testing.T) {
	_, warnings, err := load("LITSEN=canary", "API_SERVICE_HOST=10.0.0.1", "CACHE=/var/cache", "WORKER_SLOT=3")
	require.NoError(t, err)
	var texts []string
	for _, w := range warnings {
		texts = append(texts, w.String())
	}
	assert.Equal(t, []string{
		"ROOMCAST_API_SERVICE_HOST is not a setting",
		"ROOMCAST_LITSEN is not a setting; did you mean ROOMCAST_LISTEN?",
		"ROOMCAST_WORKER_SLOT is not a setting; did you mean ROOMCAST_WORKER_SLOTS?",
	}, texts)
}

func TestAConfigDoesNotPrintItsSecrets(t *testing.T) {
	c, _, err := load("REDIS_URL=redis://:canary@r:6379", "SDK_KEYS=1=canary", "SECRET_KEY="+secretKey(7),
		"WEBHOOK_URL=https://h/canary", "WEBHOOK_SECRET="+secretKey(7))
	require.NoError(t, err)
	text := fmt.Sprintf("%v %+v %#v", c, c, c)
	assert.NotContains(t, text, "canary")
	assert.NotContains(t, text, secretKey(7))
}
