package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/stage"
	"github.com/roomcast/roomcast/media"
)

// stack is a compose project of its own, with settings of its own, so that one
// that runs here for real is left alone.
type stack struct {
	docker
	project string
	dir     string            // of envFile
	secrets map[string]string // what envFile says
	environ []string
	report  string // the room's, a URL
	api     *client.Client

	upAt   time.Time
	pushes []string // ids, the demo's first
}

// newStack writes the settings of a stack into dir.
func newStack(d docker, dir string) (*stack, error) {
	s := &stack{docker: d, dir: dir, project: fmt.Sprintf("roomcast-test-%d", os.Getpid())}
	apiAddr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	reportAddr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	// What is set here already would win over the file.
	s.environ = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "ROOMCAST_") || strings.HasPrefix(v, "COMPOSE_")
	})
	s.environ = append(s.environ, "ROOMCAST_PUBLISH="+apiAddr, "ROOMCAST_DEMO_PUBLISH="+reportAddr, "ROOMCAST_TAG="+tag,
		"ROOMCAST_WORKER_SLOTS="+strconv.Itoa(slots))
	s.report = "http://" + reportAddr + "/sessions"
	if _, err := output(context.Background(), "scripts/env-file", s.envFile()); err != nil {
		return nil, err
	}
	if s.secrets, err = readEnv(s.envFile()); err != nil {
		return nil, err
	}
	s.api, err = client.New("http://"+apiAddr, media.Secret(s.secrets["ROOMCAST_API_KEY"]))
	return s, err
}

func (s *stack) envFile() string { return filepath.Join(s.dir, "env") }

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

func readEnv(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			values[name] = value
		}
	}
	return values, nil
}

// compose runs a compose command on the project.
func (s *stack) compose(ctx context.Context, args ...string) (string, error) {
	command := slices.Concat(s.docker.compose, []string{"--project-name", s.project, "--env-file", s.envFile(),
		"--file", "docker-compose.yml", "--file", "deploy/compose.demo.yml"}, args)
	return outputWith(ctx, s.environ, command...)
}

// container is one of the project's.
type container struct {
	ID    string `json:"Id"`
	State struct {
		Running  bool
		ExitCode int
		Health   struct{ Status string }
	}
	Config struct {
		User, Hostname string
	}
	HostConfig struct {
		ReadonlyRootfs bool
		CapDrop        []string
		SecurityOpt    []string
		Memory         int64
		PidsLimit      int64
	}
}

// containers returns those of a service, ended ones too.
func (s *stack) containers(ctx context.Context, service string) ([]container, error) {
	ids, err := output(ctx, "docker", "ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project="+s.project,
		"--filter", "label=com.docker.compose.service="+service)
	if err != nil || ids == "" {
		return nil, err
	}
	text, err := output(ctx, append([]string{"docker", "inspect"}, strings.Fields(ids)...)...)
	if err != nil {
		return nil, err
	}
	var all []container
	return all, json.Unmarshal([]byte(text), &all)
}

// sessions are what the room has seen, oldest first.
func (s *stack) sessions(ctx context.Context) ([]stage.Session, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.report, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the room: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	var all []stage.Session
	if err := json.NewDecoder(answer.Body).Decode(&all); err != nil {
		return nil, fmt.Errorf("ask the room: %w", err)
	}
	return all, nil
}

// of returns a user's sessions.
func of(all []stage.Session, user string) []stage.Session {
	return slices.DeleteFunc(slices.Clone(all), func(s stage.Session) bool { return s.User != user })
}

// wait asks until good returns nil; its error is good's last one.
func wait(ctx context.Context, limit time.Duration, good func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := good(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %v: %w", limit, err)
		case <-tick.C:
		}
	}
}

func (s *stack) showLogs() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if text, err := s.compose(ctx, "logs", "--no-color", "--tail", "40"); err == nil {
		fmt.Println(text)
	}
}

// tearDown removes everything but the images.
func (s *stack) tearDown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	s.api.CloseIdle()
	start := time.Now()
	_, err := s.compose(ctx, "down", "--volumes", "--remove-orphans")
	for _, kind := range []string{"container", "volume", "network"} {
		args := []string{"docker", kind, "ls", "--quiet", "--filter", "label=com.docker.compose.project=" + s.project}
		if kind == "container" {
			args = append(args, "--all")
		}
		left, askErr := output(ctx, args...)
		if askErr == nil && left != "" {
			askErr = fmt.Errorf("a %s is left: %s", kind, left)
		}
		err = errors.Join(err, askErr)
	}
	if err != nil {
		fmt.Printf("FAIL  everything is torn down: %v\n", err)
		return errors.New("compose-test: look for what is left of project " + s.project)
	}
	fmt.Printf("ok    everything is torn down: no container, volume or network is left (%v)\n", time.Since(start).Round(100*time.Millisecond))
	return nil
}
