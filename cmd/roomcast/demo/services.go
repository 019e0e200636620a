package demo

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/internal/freeport"
	"github.com/roomcast/roomcast/media"
)

// portTries is how often a program is started anew because somebody took the
// port that was free a moment ago.
const portTries = 3

// secrets are made anew for every demo.
type secrets struct {
	redis, api, sdk media.Secret
	seal            media.Secret // base64 of 32 bytes
}

func newSecrets() secrets {
	word := func() media.Secret {
		var b [32]byte
		_, _ = rand.Read(b[:]) // never fails
		return media.Secret(hex.EncodeToString(b[:]))
	}
	var seal [32]byte
	_, _ = rand.Read(seal[:])
	return secrets{redis: word(), api: word(), sdk: word(), seal: media.Secret(base64.StdEncoding.EncodeToString(seal[:]))}
}

// service is a program that listens on a port.
type service struct {
	name    string
	program func(addr string) (program, error)
	check   func(ctx context.Context, addr string) error
}

// launch starts s on a free port of loopback, waits until it is ready and
// returns its address.
func (d *demo) launch(ctx context.Context, s service) (*child, string, error) {
	var err error
	for range portTries {
		var c *child
		var port int
		if port, err = freeport.Find(); err != nil {
			return nil, "", err
		}
		addr := freeport.Addr(port)
		p, buildErr := s.program(addr)
		if buildErr != nil {
			return nil, "", buildErr
		}
		p.name, p.log = s.name, d.logOf(s.name)
		p.env = append(p.env, d.plainEnv()...)
		if c, err = start(p, d.ended); err != nil {
			return nil, "", err
		}
		if err = c.ready(ctx, func(ctx context.Context) error { return s.check(ctx, addr) }); err == nil {
			return c, addr, nil
		}
		c.kill()
		if !errors.Is(err, errEndedEarly) {
			break
		}
	}
	return nil, "", fmt.Errorf("start %s: %w", s.name, err)
}

// plainEnv is what every program gets of our environment: none of its
// ROOMCAST_ variables.
func (d *demo) plainEnv() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG", "TZ"} {
		if value := d.cfg.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// redis keeps its files under the run folder. The password stands in a file
// that only we may read, and is how we know our own server.
func (d *demo) redis() service {
	return service{
		name: "redis",
		program: func(addr string) (program, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return program{}, err
			}
			conf := "bind 127.0.0.1\nport " + port + "\ndir " + strconv.Quote(d.dir) +
				"\nrequirepass " + d.secrets.redis.Reveal() +
				"\nappendonly yes\nappendfsync everysec\nsave \"\"\nmaxmemory-policy noeviction\ndaemonize no\n"
			path := filepath.Join(d.dir, "redis.conf")
			return program{path: d.tools.redis, args: []string{path}}, os.WriteFile(path, []byte(conf), 0o600)
		},
		check: func(ctx context.Context, addr string) error { return pingRedis(ctx, addr, d.secrets.redis) },
	}
}

func pingRedis(ctx context.Context, addr string, password media.Secret) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := fmt.Fprintf(conn, "AUTH %s\r\nPING\r\n", password.Reveal()); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	for _, want := range []string{"+OK\r\n", "+PONG\r\n"} {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		if line != want {
			return errors.New("redis does not take our password")
		}
	}
	return nil
}

// settings are the variables that API and worker share.
func (d *demo) settings() []string {
	return []string{
		"ROOMCAST_REDIS_URL=redis://:" + d.secrets.redis.Reveal() + "@" + d.redisAddr + "/0",
		"ROOMCAST_SECRET_KEY=" + d.secrets.seal.Reveal(),
		"ROOMCAST_SDK_KEYS=" + strconv.Itoa(appID) + "=" + d.secrets.sdk.Reveal(),
		"ROOMCAST_RTMP_ENDPOINT=" + d.room.URL(),
		"ROOMCAST_SOURCE_ALLOW=" + d.files, "ROOMCAST_SOURCE_SCHEMES=http,https,rtmp,rtmps,rtsp,rtsps,srt",
	}
}

func (d *demo) apiService() service {
	sum := sha256.Sum256([]byte(d.secrets.api.Reveal()))
	return service{
		name: "api",
		program: func(addr string) (program, error) {
			return program{path: d.tools.api, env: append(d.settings(),
				"ROOMCAST_LISTEN="+addr, "ROOMCAST_API_KEYS=demo:"+hex.EncodeToString(sum[:]))}, nil
		},
		check: func(ctx context.Context, addr string) error {
			c, err := client.New("http://"+addr, d.secrets.api)
			if err != nil {
				return err
			}
			if _, err := c.Ready(ctx); err != nil {
				return err
			}
			_, err = c.List(ctx, client.Filter{Limit: 1})
			return err
		},
	}
}

func (d *demo) workerService() service {
	return service{
		name: "worker",
		program: func(addr string) (program, error) {
			return program{path: d.tools.worker, env: append(d.settings(), "ROOMCAST_WORKER_LISTEN="+addr)}, nil
		},
		check: func(ctx context.Context, addr string) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
			if err != nil {
				return err
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				return err
			}
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("/readyz answers %s", answer.Status)
			}
			return nil
		},
	}
}
