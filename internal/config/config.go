// Package config reads the settings of all programs from the environment:
// names, defaults and meanings stand in one struct, everything is checked
// together, and no error or warning shows a secret.
package config

import (
	"log/slog"
	"time"

	"github.com/roomcast/roomcast/media"
)

// Prefix begins the name of every setting's variable.
const Prefix = "ROOMCAST_"

// WorkerListenOff as WorkerListen means that a worker serves no HTTP.
const WorkerListenOff = "off"

// Config is every setting. A variable that is set to nothing has its default.
// Those whose type is one of secrets may be given by a file, see readFiles.
type Config struct {
	RedisURL media.Secret `env:"REDIS_URL" envDefault:"redis://127.0.0.1:6379/0" about:"Redis of pushes and queue; also rediss://, redis+sentinel://, redis+cluster:// and their TLS forms. It must not evict keys (maxmemory-policy noeviction)"`
	Listen   string       `env:"LISTEN" envDefault:"127.0.0.1:8080" about:"address of the API; must be a loopback one while API_KEYS is empty"`
	APIKeys  APIKeys      `env:"API_KEYS" about:"who may call the API: name:sha256hex of the key, comma separated; make one with: printf %s KEY | sha256sum | cut -d' ' -f1"`

	SecretKey media.Secret `env:"SECRET_KEY" about:"required: base64 of 32 random bytes, seals the secrets of pushes; several, comma separated, to rotate: the first seals, all open. Make one with: openssl rand -base64 32"`
	SDKKeys   SDKKeys      `env:"SDK_KEYS" about:"SDK secret keys of TRTC applications, to check UserSigs in full and to mint missing ones: appid=key, comma separated"`

	RTMPEndpoint       string        `env:"RTMP_ENDPOINT" about:"where rooms are, rtmp(s)://host[:port]/app; empty: Tencent's own, by app id"`
	SourceSchemes      List          `env:"SOURCE_SCHEMES" envDefault:"http,https,rtmp,rtmps" about:"schemes a source may have; rtsp, rtsps and srt may be added"`
	SourceAllow        List          `env:"SOURCE_ALLOW" about:"sources beyond public addresses on the usual ports: networks (10.0.0.0/8), addresses and host:port"`
	SourceDeny         List          `env:"SOURCE_DENY" about:"where no source may be, whatever SOURCE_ALLOW lists: networks, addresses and names with those below them"`
	SourceSilence      time.Duration `env:"SOURCE_SILENCE" envDefault:"30s" about:"how long a source over http may send nothing before it counts as broken, 1s to 5m; how long it takes in all does not count"`
	ProgressRedisAllow List          `env:"PROGRESS_REDIS_ALLOW" about:"Redis servers a request may name for its resume record: host:port, redis://host:port or rediss://host:port"`

	WorkerSlots  int           `env:"WORKER_SLOTS" envDefault:"100" about:"pushes a worker runs at once"`
	WorkerMemory Bytes         `env:"WORKER_MEMORY" about:"how much memory a worker may take, such as 2g or 1536m; by default the limit of its cgroup (a container's, a unit's), where there is one. Over 70 % it takes no new push; over 85 % it ends what it is opening"`
	WorkerCores  float64       `env:"WORKER_CORES" about:"how many cores a worker may use, such as 4 or 1.5; by default its part of the machine (ROOMCAST_WORKERS), or what its cgroup gives it (cpu.max), if that is less. It takes new pushes for 85 % of them"`
	Workers      int           `env:"WORKERS" envDefault:"1" about:"how many workers share the machine: each takes that part of its cores; compose and the systemd unit say 2"`
	WorkerListen string        `env:"WORKER_LISTEN" envDefault:"127.0.0.1:8081" about:"address of a worker's health and metrics; off serves none"`
	Preview      bool          `env:"PREVIEW" envDefault:"true" about:"true or false: while somebody asks for the preview of a push, its worker decodes a keyframe of what the room gets every two seconds; the same in all processes"`
	Lease        time.Duration `env:"LEASE" envDefault:"3s" about:"how long a worker, which renews once a second, owns a push without renewing, 3s to 1m, the same in all processes; a vanished worker's pushes start elsewhere after it"`
	RenewCap     time.Duration `env:"RENEW_CAP" envDefault:"2m" about:"how long a push goes on while its lease cannot be renewed"`

	MaxDuration time.Duration `env:"MAX_DURATION" envDefault:"0" about:"how long a push may be in its room, all attempts together; a request may ask for less; 0 is no limit"`

	Retention time.Duration `env:"RETENTION" envDefault:"72h" about:"how long the record of an ended push stays"`
	ResumeTTL time.Duration `env:"RESUME_TTL" envDefault:"720h" about:"how long a resume record stays after its last write"`

	WebhookURL    media.Secret `env:"WEBHOOK_URL" about:"where every push without a callbackUrl is told of, http(s); it is called as it is, wherever it leads"`
	WebhookSecret media.Secret `env:"WEBHOOK_SECRET" about:"signs webhooks, callbackUrl and WEBHOOK_URL need it: whsec_ and base64 of 24 to 64 bytes; several, comma separated, to rotate: each signs. Make one with: echo whsec_$(openssl rand -base64 32)"`
	WebhookAllow  List         `env:"WEBHOOK_ALLOW" about:"where a callbackUrl may lead beyond public addresses on the usual ports, as SOURCE_ALLOW says it of sources; SOURCE_DENY counts as well"`

	// What takes sources apart and re-encodes.
	Sandbox          string `env:"SANDBOX" envDefault:"auto" about:"auto, require or off: what becomes of a media host that the kernel does not let give up files, network and system calls. auto: it works all the same, and /metrics and the log say what it lacks"`
	HostPushes       int    `env:"HOST_PUSHES" envDefault:"16" about:"how many copied pushes share a media host, 1 to 200; each that is re-encoded has one of its own"`
	HostMemory       Bytes  `env:"HOST_MEMORY" envDefault:"512m" about:"how much a media host of copied pushes may allocate, at least 128m and 4m for each push"`
	EncodeHostMemory Bytes  `env:"ENCODE_HOST_MEMORY" envDefault:"1g" about:"the same for one that re-encodes, and for one whose source has crashed another"`

	LogLevel  slog.Level `env:"LOG_LEVEL" envDefault:"info" about:"debug, info, warn or error"`
	LogFormat string     `env:"LOG_FORMAT" envDefault:"text" about:"text or json"`
}
