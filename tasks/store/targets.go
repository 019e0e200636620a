package store

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/roomcast/roomcast/tasks"
)

const (
	defaultRedisPort = 6379
	targetPoolSize   = 1
)

// parseAllow reads the operator's list: host:port → whether TLS is used.
func parseAllow(entries []string) (map[string]bool, error) {
	allow := make(map[string]bool, len(entries))
	for _, entry := range entries {
		text, useTLS := strings.TrimSpace(entry), false
		if text == "" {
			continue
		}
		if scheme, rest, ok := strings.Cut(text, "://"); ok {
			if scheme != "redis" && scheme != "rediss" {
				return nil, fmt.Errorf("progress redis list: %q: the scheme must be redis or rediss", scheme)
			}
			text, useTLS = rest, scheme == "rediss"
		}
		if strings.ContainsAny(text, "@/?#") {
			return nil, errors.New("progress redis list: an entry is host:port, without user, password or path")
		}
		host, port, err := net.SplitHostPort(text)
		if err != nil {
			host, port = strings.Trim(text, "[]"), strconv.Itoa(defaultRedisPort)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if host == "" || err != nil || n == 0 {
			return nil, fmt.Errorf("progress redis list: %q is not host:port", text)
		}
		allow[targetAddr(tasks.ResumeTarget{Host: host, Port: int(n)})] = useTLS
	}
	return allow, nil
}

// targetAddr is how a target is looked up: lower case, with its port.
func targetAddr(t tasks.ResumeTarget) string {
	port := t.Port
	if port == 0 {
		port = defaultRedisPort
	}
	return net.JoinHostPort(strings.ToLower(t.Host), strconv.Itoa(port))
}

// targetID is one server with one password, whose text is not kept.
type targetID struct {
	addr     string
	password [sha256.Size]byte
}

type target struct {
	client *redis.Client
	users  int
	idle   *time.Timer // runs while users is 0
}

// targets holds one client for each server and password that pushes name.
type targets struct {
	allow map[string]bool
	idle  time.Duration

	mu     sync.Mutex
	open   map[targetID]*target
	closed bool
}

func newTargets(allow map[string]bool, idle time.Duration) *targets {
	return &targets{allow: allow, idle: idle, open: map[targetID]*target{}}
}

var errNotAllowed = errors.New("this Redis is not on the operator's list (ROOMCAST_PROGRESS_REDIS_ALLOW)")

// client returns the target's client; release gives it back, after which it is
// closed when nobody has asked for it for the idle time.
func (ts *targets) client(t tasks.ResumeTarget) (client *redis.Client, release func(), err error) {
	addr := targetAddr(t)
	useTLS, ok := ts.allow[addr]
	if !ok {
		return nil, nil, &tasks.Error{Code: tasks.CodeInvalidRequest, Msg: errNotAllowed.Error(), Err: errNotAllowed}
	}
	id := targetID{addr: addr, password: sha256.Sum256([]byte(t.Password.Reveal()))}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.closed {
		return nil, nil, &tasks.Error{Code: tasks.CodeInternal, Msg: "the resume store is closed"}
	}
	one := ts.open[id]
	if one == nil {
		one = &target{client: dialTarget(addr, t.Password.Reveal(), useTLS)}
		one.idle = time.AfterFunc(ts.idle, func() { ts.expire(id, one) })
		ts.open[id] = one
	}
	one.idle.Stop()
	one.users++
	return one.client, func() { ts.release(one) }, nil
}

func (ts *targets) release(one *target) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	one.users--
	if one.users == 0 && !ts.closed {
		one.idle.Reset(ts.idle)
	}
}

func (ts *targets) expire(id targetID, one *target) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if one.users > 0 || ts.open[id] != one {
		return
	}
	delete(ts.open, id)
	_ = one.client.Close() // idle connections; nothing is lost
}

func (ts *targets) close() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.closed = true
	for _, one := range ts.open {
		one.idle.Stop()
		_ = one.client.Close() // calls in flight return an error
	}
	clear(ts.open)
}

// dialTarget returns a client for a stranger's Redis: few connections, no
// retries, and nothing but the commands we need.
func dialTarget(addr, password string, useTLS bool) *redis.Client {
	options := &redis.Options{
		Addr: addr, Password: password, Protocol: 2, DisableIdentity: true,
		DialTimeout: resumeTimeout, ReadTimeout: resumeTimeout, WriteTimeout: resumeTimeout,
		PoolTimeout: resumeTimeout, PoolSize: targetPoolSize, MaxRetries: -1, DialerRetries: 1,
		ContextTimeoutEnabled:    true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if useTLS {
		host, _, _ := net.SplitHostPort(addr) // made by JoinHostPort
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	}
	return redis.NewClient(options)
}
