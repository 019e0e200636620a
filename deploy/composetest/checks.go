package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/media"
)

const (
	workers    = 3
	morePushes = 6              // beside the demo's
	slots      = 4              // of a worker: one cannot hold all pushes, two can
	tag        = "compose-test" // of the images, so that a stack that runs here keeps its own
	base       = "debian:trixie-slim"
	mb         = 1000 * 1000

	// What images may have: the API in all, the worker more than its base.
	apiLimit, workerLimit = 40 * mb, 160 * mb
)

// checks are run in this order; the first that fails is the last one.
var checks = []struct {
	name string
	run  func(context.Context, *stack) (words string, err error)
}{
	{"the images are built", build},
	{"the images are small", small},
	{"the stack is up with three workers", up},
	{"API, workers and Redis are healthy", healthy},
	{"who shows no key gets nothing", refusesStrangers},
	{"API, workers and demo run as nobody, on a read-only root, without capabilities, within limits", contained},
	{"the demo's push reaches the room", firstPicture},
	{"six more pushes publish, picture and sound in real time", startPushes},
	{"a worker that is killed is replaced, nobody else notices", killWorker},
	{"a worker that is stopped hands over and ends with 0", stopWorker},
	{"Redis restarts and no push notices", restartRedis},
	{"nothing was lost: every push publishes, once", nothingLost},
	{"nothing was doubled: no user published twice at a time", nothingDoubled},
	{"stopped pushes leave the room", stopPushes},
	{"no secret is in a log", noSecrets},
}

func build(ctx context.Context, s *stack) (string, error) {
	for name, command := range map[string]string{
		"ROOMCAST_VERSION": "git describe --tags --always --dirty", "ROOMCAST_REVISION": "git rev-parse HEAD",
	} {
		if value, err := output(ctx, strings.Fields(command)...); err == nil {
			s.environ = append(s.environ, name+"="+value)
		}
	}
	_, err := s.compose(ctx, "build")
	return "", err
}

func imageSize(ctx context.Context, name string) (int64, error) {
	text, err := output(ctx, "docker", "image", "inspect", "--format", "{{.Size}}", name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

func small(ctx context.Context, _ *stack) (string, error) {
	if _, err := imageSize(ctx, base); err != nil {
		if _, err := output(ctx, "docker", "pull", "--quiet", base); err != nil { // BuildKit keeps bases to itself
			return "", err
		}
	}
	sizes := map[string]int64{}
	for _, name := range []string{base, "roomcast-api:" + tag, "roomcast-worker:" + tag, "roomcast-demo:" + tag} {
		size, err := imageSize(ctx, name)
		if err != nil {
			return "", err
		}
		sizes[name] = size
	}
	api, worker, demo := sizes["roomcast-api:"+tag], sizes["roomcast-worker:"+tag], sizes["roomcast-demo:"+tag]
	over := worker - sizes[base]
	words := fmt.Sprintf(": api %d MB, worker %d MB, which is %d MB over its base, demo %d MB",
		api/mb, worker/mb, over/mb, demo/mb)
	if api > apiLimit || over > workerLimit {
		return "", errors.New("too big" + words)
	}
	return words, nil
}

func up(ctx context.Context, s *stack) (string, error) {
	s.upAt = time.Now()
	_, err := s.compose(ctx, "up", "--detach", "--scale", "worker="+strconv.Itoa(workers))
	return "", err
}

func healthy(ctx context.Context, s *stack) (string, error) {
	return "", wait(ctx, 2*time.Minute, func(ctx context.Context) error {
		for service, want := range map[string]int{"redis": 1, "api": 1, "worker": workers} {
			all, err := s.containers(ctx, service)
			if err != nil {
				return err
			}
			if len(all) != want {
				return fmt.Errorf("%d containers of %s", len(all), service)
			}
			for _, c := range all {
				if c.State.Health.Status != "healthy" {
					return fmt.Errorf("%s is %q", service, c.State.Health.Status)
				}
			}
		}
		_, err := s.api.Ready(ctx)
		return err
	})
}

func refusesStrangers(ctx context.Context, s *stack) (string, error) {
	for _, key := range []media.Secret{"", "another"} {
		c, err := client.New(s.api.Base(), key)
		if err != nil {
			return "", err
		}
		_, err = c.List(ctx, client.Filter{})
		c.CloseIdle()
		if err == nil {
			return "", errors.New("the API answers a stranger")
		}
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != http.StatusUnauthorized {
			return "", fmt.Errorf("the API does not ask for a key: %w", err)
		}
	}
	return "", nil
}

func contained(ctx context.Context, s *stack) (string, error) {
	for _, service := range []string{"api", "worker", "room", "files", "push"} {
		all, err := s.containers(ctx, service)
		if err != nil {
			return "", err
		}
		for _, c := range all {
			h := c.HostConfig
			if c.Config.User != "10001:10001" || !h.ReadonlyRootfs || !slices.Contains(h.CapDrop, "ALL") ||
				!slices.ContainsFunc(h.SecurityOpt, func(o string) bool { return strings.HasPrefix(o, "no-new-privileges") }) ||
				h.PidsLimit <= 0 || service == "worker" && h.Memory == 0 {
				return "", fmt.Errorf("%s has user %q and %+v", service, c.Config.User, h)
			}
		}
	}
	return "", nil
}

func noSecrets(ctx context.Context, s *stack) (string, error) {
	text, err := s.compose(ctx, "logs", "--no-color")
	if err != nil {
		return "", err
	}
	for name, value := range s.secrets {
		if len(value) < 16 {
			continue // a port, a size
		}
		for _, secret := range []string{value, value[strings.IndexAny(value, ":=")+1:]} {
			if len(secret) >= 16 && strings.Contains(text, secret) {
				return "", errors.New(name + " stands in a log")
			}
		}
	}
	return fmt.Sprintf(": %d lines", strings.Count(text, "\n")+1), nil
}
