package config

import (
	"encoding/base64"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	secretKeySize = 32
	// leastLease lets a worker, which renews once a second, miss one renew
	// before its lease is over.
	leastLease = 3 * time.Second
	// leastMemory is some three times what a worker without pushes takes.
	leastMemory = 128 << 20
	// With leastCores a worker still copies, and no machine has mostCores.
	leastCores, mostCores = 0.1, 1024
	// leastEncodeMemory is what re-encoding 1080p takes, and a third more.
	leastEncodeMemory = 384 << 20
	// pushMemory is what a media host allows for a push whose source is small: 3 MB, most
	// of it a thread's stack, of which little is used.
	pushMemory = 4 << 20
)

var knownSchemes = []string{"http", "https", "rtmp", "rtmps", "rtsp", "rtsps", "srt"}

// validate checks what each value alone does not tell. The shape of addresses
// is checked here so that all problems come at once; the adapters that use
// them have the last word.
func (c Config) validate(e *Error) {
	check := func(ok bool, name, text string) {
		if !ok {
			e.Problems = append(e.Problems, Problem{Prefix + name, text})
		}
	}
	keysUnread := slices.ContainsFunc(e.Problems, func(p Problem) bool { return p.Name == Prefix+"API_KEYS" })
	c.validateListen(check, len(c.APIKeys) > 0 || keysUnread)
	c.validateSources(check)
	c.validateWorker(check)
	check(strings.HasPrefix(c.RedisURL.Reveal(), "redis") && strings.Contains(c.RedisURL.Reveal(), "://"),
		"REDIS_URL", "must be a URL such as redis://127.0.0.1:6379/0 or rediss://user:password@host:6379/0")
	check(c.SecretKey != "", "SECRET_KEY", "is required; make one with: openssl rand -base64 32")
	check(secretKeys(c.SecretKey.Reveal()), "SECRET_KEY", "must be base64 of 32 bytes, or several of them, comma separated; make one with: openssl rand -base64 32")
	c.validateWebhooks(check)
	check(c.LogFormat == "text" || c.LogFormat == "json", "LOG_FORMAT", "must be text or json")
}

type checkFunc func(ok bool, name, text string)

func (c Config) validateListen(check checkFunc, keys bool) {
	_, port, err := net.SplitHostPort(c.Listen)
	check(err == nil && isPort(port, 0), "LISTEN", "must be host:port; port 0 takes a free one")
	if err == nil && !keys {
		check(isLoopback(c.Listen), "LISTEN", "must be a loopback address such as 127.0.0.1:8080 as long as ROOMCAST_API_KEYS is empty: everybody who reaches it may start and stop pushes")
	}
}

func (c Config) validateSources(check checkFunc) {
	check(len(c.SourceSchemes) > 0 && allOf(c.SourceSchemes, func(s string) bool { return slices.Contains(knownSchemes, s) }),
		"SOURCE_SCHEMES", "may list only "+strings.Join(knownSchemes, ", "))
	check(allOf(c.SourceAllow, isSource), "SOURCE_ALLOW", "must list networks such as 10.0.0.0/8, addresses or host:port")
	check(allOf(c.SourceDeny, isPlace), "SOURCE_DENY", "must list networks such as 10.0.0.0/8, addresses or host names")
	check(allOf(c.ProgressRedisAllow, isRedis), "PROGRESS_REDIS_ALLOW", "must list host:port, redis://host:port or rediss://host:port")
	check(c.RTMPEndpoint == "" || isEndpoint(c.RTMPEndpoint), "RTMP_ENDPOINT", "must be rtmp://host[:port]/app or rtmps://host[:port]/app, without user, query or fragment")
}

func (c Config) validateWebhooks(check checkFunc) {
	u, err := url.Parse(c.WebhookURL.Reveal())
	isHTTP := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
	check(c.WebhookURL == "" || isHTTP, "WEBHOOK_URL", "must be http(s)://host[:port]/path")
	check(c.WebhookURL == "" || c.WebhookSecret != "", "WEBHOOK_SECRET", "is required with ROOMCAST_WEBHOOK_URL: webhooks are signed")
	check(allOf(c.WebhookSecrets(), isWebhookSecret), "WEBHOOK_SECRET", "must be whsec_ and base64 of 24 to 64 bytes, or several of them, comma separated; make one with: echo whsec_$(openssl rand -base64 32)")
	check(allOf(c.WebhookAllow, isSource), "WEBHOOK_ALLOW", "must list networks such as 10.0.0.0/8, addresses or host:port")
}

// WebhookSecrets are the secrets one by one.
func (c Config) WebhookSecrets() []string { return entries(c.WebhookSecret.Reveal()) }

// isWebhookSecret takes what Standard Webhooks calls a secret.
func isWebhookSecret(text string) bool {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	return err == nil && len(raw) >= 24 && len(raw) <= 64
}

func (c Config) validateWorker(check checkFunc) {
	_, port, err := net.SplitHostPort(c.WorkerListen)
	check(c.WorkerListen == WorkerListenOff || err == nil && isPort(port, 0), "WORKER_LISTEN", "must be host:port or off")
	check(c.WorkerSlots >= 1 && c.WorkerSlots <= 10000, "WORKER_SLOTS", "must be a whole number from 1 to 10000")
	check(c.WorkerMemory == 0 || c.WorkerMemory >= leastMemory, "WORKER_MEMORY", "must be at least 128m, such as 2g")
	check(c.Workers >= 1 && c.Workers <= 1000, "WORKERS", "must be a whole number from 1 to 1000")
	check(c.WorkerCores == 0 || c.WorkerCores >= leastCores && c.WorkerCores <= mostCores, "WORKER_CORES", "must be a number of cores from 0.1 to 1024, such as 4 or 1.5")
	check(within(c.Lease, leastLease, time.Minute), "LEASE", "must be a duration from 3s to 1m: a worker renews once a second, and may miss one")
	check(within(c.RenewCap, c.Lease, time.Hour), "RENEW_CAP", "must be a duration from ROOMCAST_LEASE to 1h")
	check(c.MaxDuration == 0 || within(c.MaxDuration, time.Second, 10*365*24*time.Hour), "MAX_DURATION", "must be 0 for no limit, or a duration from 1s, such as 12h")
	check(slices.Contains([]string{"auto", "require", "off"}, c.Sandbox), "SANDBOX", "must be auto, require or off")
	some := c.HostPushes >= 1 && c.HostPushes <= 200
	check(some, "HOST_PUSHES", "must be a whole number from 1 to 200")
	check(!some || c.HostMemory >= leastMemory+Bytes(c.HostPushes)*pushMemory, "HOST_MEMORY", "must be at least 128m and 4m for each of ROOMCAST_HOST_PUSHES, such as 512m")
	check(c.EncodeHostMemory >= max(c.HostMemory, leastEncodeMemory), "ENCODE_HOST_MEMORY", "must be at least 384m, and ROOMCAST_HOST_MEMORY, such as 1g")
	check(within(c.SourceSilence, time.Second, 5*time.Minute), "SOURCE_SILENCE", "must be a duration from 1s to 5m, such as 30s")
	check(within(c.Retention, time.Minute, 10*365*24*time.Hour), "RETENTION", "must be a duration from 1m, such as 72h")
	check(within(c.ResumeTTL, time.Minute, 10*365*24*time.Hour), "RESUME_TTL", "must be a duration from 1m, such as 720h")
}

func within(d, least, most time.Duration) bool { return d >= least && d <= most }

func allOf(list List, ok func(string) bool) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !ok(s) })
}

func isPort(text string, least uint64) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n >= least
}

func isHostPort(text string) bool {
	host, port, err := net.SplitHostPort(text)
	return err == nil && host != "" && !strings.ContainsAny(host, "/@ ") && isPort(port, 1)
}

func isLoopback(listen string) bool {
	host, _, _ := net.SplitHostPort(listen)
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func isSource(text string) bool { return isNetwork(text) || isHostPort(text) }

func isPlace(text string) bool { return isNetwork(text) || !strings.ContainsAny(text, "/:@[] ") }

func isNetwork(text string) bool {
	if _, err := netip.ParsePrefix(text); err == nil {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return err == nil
}

func isRedis(text string) bool {
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		return (scheme == "redis" || scheme == "rediss") && isHostPort(strings.TrimSuffix(rest, "/"))
	}
	return isHostPort(text)
}

func isEndpoint(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "rtmp" || u.Scheme == "rtmps") && u.Hostname() != "" &&
		strings.Trim(u.Path, "/") != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

// secretKeys takes both alphabets of base64, with padding or without, as
// tasks/secret does.
func secretKeys(text string) bool {
	plain := strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(text)
	return allOf(entries(plain), func(key string) bool {
		raw, err := base64.RawStdEncoding.DecodeString(key)
		return err == nil && len(raw) == secretKeySize
	})
}
