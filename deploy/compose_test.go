//go:build compose

// Package deploy_test tries docker-compose.yml with a real engine: it builds the
// images, starts the stack with its demo and three workers, kills, stops and
// restarts parts of it, and looks at the API and at what the room received.
package deploy_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/stage"
	"github.com/roomcast/roomcast/internal/freeport"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

const (
	workers = 3
	slots   = 4              // of a worker: one cannot hold all pushes, two can
	tag     = "compose-test" // of the images, so that a stack that runs here keeps its own
	base    = "debian:trixie-slim"
	clip    = "http://roomcast-demo-files:8090/clip.mp4"
	mb      = 1000 * 1000

	// What images may have: the API in all, the worker more than its base.
	apiLimit, workerLimit = 40 * mb, 160 * mb
	// How long viewers may miss a push whose worker has vanished (a lease of
	// 3 s, a sweep, a start), and one that is handed over, on a busy machine.
	killedGap, handoverGap = 15 * time.Second, 5 * time.Second
	// How far media time may be behind wall time.
	lateness = 2 * time.Second
)

// users are all that publish: the demo's and ours.
var users = []string{"demo", "user0", "user1", "user2", "user3", "user4", "user5"}

func TestCompose(t *testing.T) {
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	t.Cleanup(stop)
	s := newStack(ctx, t)
	for _, c := range []struct {
		name string
		run  func(context.Context, *testing.T)
	}{
		{"the images are built", s.build},
		{"the images are small", s.small},
		{"the stack is up with three workers", s.up},
		{"API, workers and Redis are healthy", s.healthy},
		{"who shows no key gets nothing", s.refusesStrangers},
		{"API, workers and demo run as nobody, on a read-only root, without capabilities, within limits", s.contained},
		{"the push of the demo reaches the room", s.firstPicture},
		{"six more pushes publish, picture and sound in real time", s.startPushes},
		{"a worker that is killed is replaced, nobody else notices", s.killWorker},
		{"a worker that is stopped hands over and ends with 0", s.stopWorker},
		{"Redis restarts and no push notices", s.restartRedis},
		{"nothing was lost: every push publishes, once", s.nothingLost},
		{"nothing was doubled: no user published twice at a time", s.nothingDoubled},
		{"stopped pushes leave the room", s.stopPushes},
		{"no secret is in a log", s.noSecrets},
	} {
		require.True(t, t.Run(c.name, func(t *testing.T) { c.run(ctx, t) }), "the first that fails is the last one")
	}
}

// stack is a compose project of its own, with settings of its own, so that one
// that runs here for real is left alone.
type stack struct {
	compose []string // the command
	environ []string
	project string
	secrets map[string]string
	report  string // the room's, a URL
	api     *client.Client

	upAt   time.Time
	pushes map[string]string // ids, by user
}

func newStack(ctx context.Context, t *testing.T) *stack {
	s := &stack{project: fmt.Sprintf("roomcast-test-%d", os.Getpid()), secrets: map[string]string{}, pushes: map[string]string{}}
	// What is set here already would win over the file.
	s.environ = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "ROOMCAST_") || strings.HasPrefix(v, "COMPOSE_")
	})
	command := strings.Fields(cmp.Or(os.Getenv("COMPOSE"), "docker compose"))
	if exec.CommandContext(ctx, command[0], append(command[1:], "version")...).Run() != nil {
		command = []string{"docker-compose"}
	}
	t.Log("engine", s.output(ctx, t, "docker", "version", "--format", "{{.Server.Version}}"), s.output(ctx, t, append(command, "version", "--short")...))
	api, room, env := freeAddr(t), freeAddr(t), filepath.Join(t.TempDir(), "env")
	s.report = "http://" + room + "/sessions"
	s.environ = append(s.environ, "ROOMCAST_PUBLISH="+api, "ROOMCAST_DEMO_PUBLISH="+room, "ROOMCAST_TAG="+tag,
		"ROOMCAST_WORKER_SLOTS="+strconv.Itoa(slots),
		"ROOMCAST_VERSION="+s.output(ctx, t, "sh", "-c", "git describe --tags --always --dirty || true"),
		"ROOMCAST_REVISION="+s.output(ctx, t, "sh", "-c", "git rev-parse HEAD || true"))
	s.output(ctx, t, "scripts/env-file", env)
	text, err := os.ReadFile(env)
	require.NoError(t, err)
	for _, setting := range regexp.MustCompile(`(?m)^(\w+)=(.*)$`).FindAllStringSubmatch(string(text), -1) {
		s.secrets[setting[1]] = setting[2]
	}
	s.compose = slices.Concat(command, []string{"--project-name", s.project, "--env-file", env,
		"--file", "docker-compose.yml", "--file", "deploy/compose.demo.yml"})
	s.api, err = client.New("http://"+api, media.Secret(s.secrets["ROOMCAST_API_KEY"]))
	require.NoError(t, err)
	t.Cleanup(func() { s.tearDown(context.WithoutCancel(ctx), t) })
	return s
}

func freeAddr(t *testing.T) string {
	t.Helper()
	port, err := freeport.Find()
	require.NoError(t, err)
	return freeport.Addr(port)
}

// tearDown removes everything but the images.
func (s *stack) tearDown(ctx context.Context, t *testing.T) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if t.Failed() {
		t.Log(s.output(ctx, t, append(s.compose, "logs", "--no-color", "--tail", "40")...))
	}
	s.output(ctx, t, append(s.compose, "down", "--volumes", "--remove-orphans")...)
	for _, kind := range []string{"container", "volume", "network"} {
		args := []string{"docker", kind, "ls", "--quiet", "--filter", "label=com.docker.compose.project=" + s.project}
		if kind == "container" {
			args = append(args, "--all")
		}
		assert.Empty(t, s.output(ctx, t, args...), "a %s of %s is left", kind, s.project)
	}
}

// output runs a command in the checkout and returns its standard output without
// the blanks around it.
func (s *stack) output(ctx context.Context, t require.TestingT, command ...string) string {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Env = "..", s.environ
	cmd.WaitDelay = 10 * time.Second // what the command has started may outlive it, and holds its output
	var out, problems strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	require.NoError(t, err, "%s\n%s%s", command, out.String(), problems.String())
	return strings.TrimSpace(out.String())
}

// eventually asks until good finds nothing to complain of, or ctx ends.
func eventually(ctx context.Context, t *testing.T, limit time.Duration, good func(*assert.CollectT)) {
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		if ctx.Err() == nil {
			good(c)
		}
	}, limit, 200*time.Millisecond)
	require.NoError(t, ctx.Err())
}

// inspect returns what the format says of each container of a service that runs.
func (s *stack) inspect(ctx context.Context, t require.TestingT, service, format string) []string {
	ids := s.output(ctx, t, "docker", "ps", "--quiet", "--filter", "label=com.docker.compose.project="+s.project,
		"--filter", "label=com.docker.compose.service="+service)
	require.NotEmpty(t, ids, "no %s runs", service)
	return strings.Fields(s.output(ctx, t, append([]string{"docker", "inspect", "--format", format}, strings.Fields(ids)...)...))
}

// sessions are what the room has seen of each user, oldest first.
func (s *stack) sessions(ctx context.Context, t require.TestingT) map[string][]stage.Session {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.report, nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	var all []stage.Session
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&all))
	of := map[string][]stage.Session{}
	for _, one := range all {
		of[one.User] = append(of[one.User], one)
	}
	return of
}

// gap is what viewers miss between two sessions.
func gap(one, next stage.Session) time.Duration { return next.Video.FirstAt.Sub(one.Video.LastAt) }

// get returns the push of a user, which publishes.
func (s *stack) get(ctx context.Context, t require.TestingT, user string) client.Push {
	p, err := s.api.Get(ctx, s.pushes[user])
	require.NoError(t, err)
	require.Equal(t, tasks.Publishing, p.State, "the push of %s", user)
	return p
}

// inRealTime demands of every push that it publishes, and of its running session
// so much of picture and sound, in time.
func (s *stack) inRealTime(ctx context.Context, t require.TestingT, least time.Duration) map[string][]stage.Session {
	all := s.sessions(ctx, t)
	for _, user := range users {
		s.get(ctx, t, user)
		require.NotEmpty(t, all[user], user)
		last := all[user][len(all[user])-1]
		require.True(t, last.Live(), "%s does not publish", user)
		require.Empty(t, last.Problems, user)
		for kind, track := range map[string]stage.Track{"picture": last.Video, "sound": last.Audio} {
			got, wall := time.Duration(track.DecodableMs)*time.Millisecond, track.LastAt.Sub(track.FirstAt)
			require.GreaterOrEqual(t, got, max(least, wall-lateness), "%s of %s in %v", kind, user, wall)
		}
	}
	return all
}

func (s *stack) build(ctx context.Context, t *testing.T) {
	s.output(ctx, t, append(s.compose, "build")...)
}

func (s *stack) small(ctx context.Context, t *testing.T) {
	if exec.CommandContext(ctx, "docker", "image", "inspect", base).Run() != nil { // BuildKit keeps bases to itself
		s.output(ctx, t, "docker", "pull", "--quiet", base)
	}
	size := func(image string) int {
		n, err := strconv.Atoi(s.output(ctx, t, "docker", "image", "inspect", "--format", "{{.Size}}", image))
		require.NoError(t, err)
		return n
	}
	api, worker := size("roomcast-api:"+tag), size("roomcast-worker:"+tag)
	over := worker - size(base)
	t.Logf("api %d MB, worker %d MB, which is %d MB over its base, demo %d MB", api/mb, worker/mb, over/mb, size("roomcast-demo:"+tag)/mb)
	require.LessOrEqual(t, api, apiLimit)
	require.LessOrEqual(t, over, workerLimit)
}

func (s *stack) up(ctx context.Context, t *testing.T) {
	s.upAt = time.Now()
	s.output(ctx, t, append(s.compose, "up", "--detach", "--scale", "worker="+strconv.Itoa(workers))...)
}

func (s *stack) healthy(ctx context.Context, t *testing.T) {
	eventually(ctx, t, 2*time.Minute, func(c *assert.CollectT) {
		for service, want := range map[string]int{"redis": 1, "api": 1, "worker": workers} {
			all := s.inspect(ctx, c, service, "{{.State.Health.Status}}")
			require.Equal(c, slices.Repeat([]string{"healthy"}, want), all, service)
		}
		_, err := s.api.Ready(ctx)
		require.NoError(c, err)
	})
}

func (s *stack) refusesStrangers(ctx context.Context, t *testing.T) {
	for _, key := range []media.Secret{"", "another"} {
		stranger, err := client.New(s.api.Base(), key)
		require.NoError(t, err)
		_, err = stranger.List(ctx, client.Filter{})
		var refusal *client.Error
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, http.StatusUnauthorized, refusal.Status)
	}
}

func (s *stack) contained(ctx context.Context, t *testing.T) {
	for _, service := range []string{"api", "worker", "room", "files", "push"} {
		for _, one := range s.inspect(ctx, t, service, `{{with .HostConfig}}{{$.Config.User}},{{.ReadonlyRootfs}},{{.CapDrop}},{{.SecurityOpt}},{{.PidsLimit}},{{.Memory}}{{end}}`) {
			require.Regexp(t, `^10001:10001,true,\[ALL\],\[no-new-privileges(:true)?\],[1-9]\d*,`, one, service)
			require.True(t, service != "worker" || !strings.HasSuffix(one, ",0"), "the memory of a worker has no limit")
		}
	}
}

func (s *stack) firstPicture(ctx context.Context, t *testing.T) {
	eventually(ctx, t, time.Minute, func(c *assert.CollectT) {
		all := s.sessions(ctx, c)["demo"]
		require.NotEmpty(c, all)
		require.Positive(c, all[0].Video.Packets)
		require.Positive(c, all[0].Audio.Packets)
		page, err := s.api.List(ctx, client.Filter{UserID: "demo"})
		require.NoError(c, err)
		require.Len(c, page.Pushes, 1)
		s.pushes["demo"] = page.Pushes[0].ID
	})
	first := s.sessions(ctx, t)["demo"][0].Video.FirstAt
	t.Logf("the first picture came %.1f s after up", first.Sub(s.upAt).Seconds())
}

func (s *stack) startPushes(ctx context.Context, t *testing.T) {
	for _, user := range users[1:] {
		p, err := s.api.Start(ctx, client.Request{
			VideoSrc: clip, SDKAppID: 1, RoomID: "test", UserID: user, PushOptions: client.PushOptions{Repeat: -1},
		}, "")
		require.NoError(t, err)
		s.pushes[user] = p.ID
	}
	eventually(ctx, t, time.Minute, func(c *assert.CollectT) { s.inRealTime(ctx, c, 5*time.Second) })
}

// busiest returns the running worker with most pushes, and their users.
func (s *stack) busiest(ctx context.Context, t *testing.T) (id string, hit []string) {
	held := map[string][]string{}
	for _, user := range users {
		host, _, _ := strings.Cut(s.get(ctx, t, user).Worker, "-") // a worker is named for its host, a container for its id
		held[host] = append(held[host], user)
	}
	for _, host := range s.inspect(ctx, t, "worker", "{{.Config.Hostname}}") {
		if len(held[host]) > len(hit) {
			id, hit = host, held[host]
		}
	}
	require.NotEmpty(t, hit, "no worker that runs has a push")
	return id, hit
}

func (s *stack) killWorker(ctx context.Context, t *testing.T) {
	s.replaced(ctx, t, killedGap, func(id string) { s.output(ctx, t, "docker", "kill", "--signal", "KILL", id) })
}

func (s *stack) stopWorker(ctx context.Context, t *testing.T) {
	s.replaced(ctx, t, handoverGap, func(id string) {
		start := time.Now()
		s.output(ctx, t, "docker", "stop", id) // without --time: compose's stop_grace_period counts
		t.Logf("it was gone after %.1f s", time.Since(start).Seconds())
		require.Equal(t, "0", s.output(ctx, t, "docker", "inspect", "--format", "{{.State.ExitCode}}", id))
	})
}

// replaced ends the busiest worker, waits until its pushes publish again and
// starts it anew. No other push may notice.
func (s *stack) replaced(ctx context.Context, t *testing.T, limit time.Duration, end func(id string)) {
	before := s.sessions(ctx, t)
	gone, hit := s.busiest(ctx, t)
	end(gone)
	var after map[string][]stage.Session
	eventually(ctx, t, time.Minute, func(c *assert.CollectT) {
		after = s.inRealTime(ctx, c, 3*time.Second)
		for _, user := range hit {
			require.Greater(c, len(after[user]), len(before[user]), "%s has not come back", user)
		}
	})
	longest := time.Duration(0)
	for _, user := range users {
		mine, want := after[user], len(before[user])
		if slices.Contains(hit, user) {
			want++
			longest = max(longest, gap(mine[len(mine)-2], mine[len(mine)-1]))
		}
		require.Len(t, mine, want, "connections of %s", user)
	}
	t.Logf("%d of %d pushes, viewers missed %.2f s at most", len(hit), len(users), longest.Seconds())
	require.LessOrEqual(t, longest, limit)
	s.output(ctx, t, "docker", "start", gone)
	s.healthy(ctx, t)
}

func (s *stack) restartRedis(ctx context.Context, t *testing.T) {
	before := s.sessions(ctx, t)
	s.output(ctx, t, "docker", "restart", s.inspect(ctx, t, "redis", "{{.Id}}")[0])
	restarted := time.Now()
	eventually(ctx, t, time.Minute, func(c *assert.CollectT) {
		_, err := s.api.Ready(ctx)
		require.NoError(c, err)
		for _, user := range users {
			p := s.get(ctx, c, user)
			require.True(c, p.Progress != nil && p.Progress.UpdatedAt != nil && p.Progress.UpdatedAt.After(restarted), "%s has not been renewed", user)
		}
		s.inRealTime(ctx, c, 0)
	})
	for user, mine := range s.sessions(ctx, t) {
		require.Len(t, mine, len(before[user]), "%s connected anew", user)
	}
}

func (s *stack) nothingLost(ctx context.Context, t *testing.T) {
	page, err := s.api.List(ctx, client.Filter{Limit: 100})
	require.NoError(t, err)
	require.Len(t, page.Pushes, len(users))
	all := s.sessions(ctx, t)
	require.Len(t, all, len(users))
	for _, user := range users {
		s.get(ctx, t, user)
		live := slices.DeleteFunc(all[user], func(one stage.Session) bool { return !one.Live() })
		require.Len(t, live, 1, "publishers named %s", user)
	}
}

// nothingDoubled looks at arrivals: a session whose connection broke may end
// after its successor began, but nothing comes in by it any more.
func (s *stack) nothingDoubled(ctx context.Context, t *testing.T) {
	for user, mine := range s.sessions(ctx, t) {
		for i := 1; i < len(mine); i++ {
			require.Positive(t, gap(mine[i-1], mine[i]), "sessions %d and %d of %s overlap", mine[i-1].ID, mine[i].ID, user)
		}
	}
}

func (s *stack) stopPushes(ctx context.Context, t *testing.T) {
	for _, id := range s.pushes {
		_, err := s.api.Stop(ctx, id)
		require.NoError(t, err)
	}
	eventually(ctx, t, time.Minute, func(c *assert.CollectT) {
		all := s.sessions(ctx, c)
		for _, user := range users {
			p, err := s.api.Get(ctx, s.pushes[user])
			require.NoError(c, err)
			require.Equal(c, tasks.Stopped, p.State)
			require.False(c, slices.ContainsFunc(all[user], stage.Session.Live), "%s is in the room", user)
		}
	})
}

func (s *stack) noSecrets(ctx context.Context, t *testing.T) {
	text := s.output(ctx, t, append(s.compose, "logs", "--no-color")...)
	for name, value := range s.secrets {
		for _, secret := range []string{value, value[strings.IndexAny(value, ":=")+1:]} {
			if len(secret) >= 16 { // else a port, a size
				require.False(t, strings.Contains(text, secret), "%s stands in a log", name)
			}
		}
	}
	t.Logf("%d lines", strings.Count(text, "\n")+1)
}
