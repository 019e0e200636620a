package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/stage"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

const (
	app      = 1
	demoUser = "demo"
	clip     = "http://roomcast-demo-files:8090/clip.mp4"

	// How long viewers may miss a push whose worker has vanished (a lease of
	// 3 s, a sweep, a start), and one that is handed over, on a busy machine.
	killedGap, handoverGap = 15 * time.Second, 5 * time.Second
	// How far media time may be behind wall time.
	lateness = 2 * time.Second
)

func user(i int) string { return fmt.Sprintf("user%d", i) }

// users are all that publish, in the order of stack.pushes.
func users() []string {
	all := []string{demoUser}
	for i := range morePushes {
		all = append(all, user(i))
	}
	return all
}

func firstPicture(ctx context.Context, s *stack) (string, error) {
	var first time.Time
	err := wait(ctx, time.Minute, func(ctx context.Context) error {
		all, err := s.sessions(ctx)
		if err != nil {
			return err
		}
		mine := of(all, demoUser)
		if len(mine) == 0 || mine[0].Video.Packets == 0 || mine[0].Audio.Packets == 0 {
			return errors.New("the room has received nothing")
		}
		first = mine[0].Video.FirstAt
		page, err := s.api.List(ctx, client.Filter{UserID: demoUser})
		if err == nil && len(page.Pushes) != 1 {
			err = fmt.Errorf("the API lists %d pushes of user %s", len(page.Pushes), demoUser)
		}
		if err == nil {
			s.pushes = []string{page.Pushes[0].ID}
		}
		return err
	})
	return fmt.Sprintf(": the first picture came %.1f s after up", first.Sub(s.upAt).Seconds()), err
}

func startPushes(ctx context.Context, s *stack) (string, error) {
	for i := range morePushes {
		p, err := s.api.Start(ctx, client.Request{
			VideoSrc: media.Secret(clip), SDKAppID: app, RoomID: "test", UserID: user(i), Wishes: client.Wishes{Repeat: -1},
		}, "")
		if err != nil {
			return "", err
		}
		s.pushes = append(s.pushes, p.ID)
	}
	return "", wait(ctx, time.Minute, func(ctx context.Context) error {
		if err := s.publishing(ctx); err != nil {
			return err
		}
		return s.inRealTime(ctx, 5*time.Second)
	})
}

// publishing says which push does not.
func (s *stack) publishing(ctx context.Context) error {
	for i, id := range s.pushes {
		p, err := s.api.Get(ctx, id)
		if err != nil {
			return err
		}
		if p.State != tasks.Publishing {
			return fmt.Errorf("the push of %s is %s", users()[i], p.State)
		}
	}
	return nil
}

// inRealTime says whose running session has less than least of picture or
// sound, or is late.
func (s *stack) inRealTime(ctx context.Context, least time.Duration) error {
	all, err := s.sessions(ctx)
	if err != nil {
		return err
	}
	for _, u := range users() {
		mine := of(all, u)
		if len(mine) == 0 || !mine[len(mine)-1].Live() {
			return fmt.Errorf("%s does not publish", u)
		}
		last := mine[len(mine)-1]
		if len(last.Problems) > 0 {
			return fmt.Errorf("the room found in the stream of %s: %s", u, strings.Join(last.Problems, "; "))
		}
		for kind, t := range map[string]stage.Track{"picture": last.Video, "sound": last.Audio} {
			got, wall := time.Duration(t.DecodableMs)*time.Millisecond, t.LastAt.Sub(t.FirstAt)
			if got < least || got < wall-lateness {
				return fmt.Errorf("%s has sent %v of %s in %v", u, got, kind, wall)
			}
		}
	}
	return nil
}

// busiest returns the running worker with most pushes, and their users.
func (s *stack) busiest(ctx context.Context) (container, []string, error) {
	all, err := s.containers(ctx, "worker")
	if err != nil {
		return container{}, nil, err
	}
	held := map[string][]string{}
	for i, id := range s.pushes {
		p, err := s.api.Get(ctx, id)
		if err != nil {
			return container{}, nil, err
		}
		host, _, _ := strings.Cut(p.Worker, "-") // a worker is named for its host, a container for its id
		held[host] = append(held[host], users()[i])
	}
	all = slices.DeleteFunc(all, func(c container) bool { return !c.State.Running })
	if len(all) == 0 {
		return container{}, nil, errors.New("no worker runs")
	}
	most := slices.MaxFunc(all, func(a, b container) int { return len(held[a.Config.Hostname]) - len(held[b.Config.Hostname]) })
	if len(held[most.Config.Hostname]) == 0 {
		return container{}, nil, errors.New("no worker that runs has a push")
	}
	return most, held[most.Config.Hostname], nil
}

func killWorker(ctx context.Context, s *stack) (string, error) {
	return s.replaced(ctx, killedGap, func(c container) error {
		_, err := output(ctx, "docker", "kill", "--signal", "KILL", c.ID)
		return err
	})
}

func stopWorker(ctx context.Context, s *stack) (string, error) {
	var took time.Duration
	words, err := s.replaced(ctx, handoverGap, func(c container) error {
		start := time.Now()
		// Without --time: compose's stop_grace_period counts.
		if _, err := output(ctx, "docker", "stop", c.ID); err != nil {
			return err
		}
		took = time.Since(start)
		text, err := output(ctx, "docker", "inspect", "--format", "{{.State.ExitCode}}", c.ID)
		if err == nil && text != "0" {
			err = errors.New("it ended with " + text)
		}
		return err
	})
	return fmt.Sprintf("%s; it was gone after %.1f s", words, took.Seconds()), err
}

// replaced ends the busiest worker, waits until its pushes publish again and
// starts it anew. No other push may notice.
func (s *stack) replaced(ctx context.Context, limit time.Duration, end func(container) error) (string, error) {
	before, err := s.sessions(ctx)
	if err != nil {
		return "", err
	}
	gone, hit, err := s.busiest(ctx)
	if err != nil {
		return "", err
	}
	if err := end(gone); err != nil {
		return "", err
	}
	after, err := s.backAgain(ctx, before, hit)
	if err != nil {
		return "", err
	}
	longest := time.Duration(0)
	for _, u := range users() {
		mine, more := of(after, u), 0
		if slices.Contains(hit, u) {
			more = 1
			longest = max(longest, gap(mine[len(mine)-2:]))
		}
		if len(mine) != len(of(before, u))+more {
			return "", fmt.Errorf("%s connected %d times, before it was %d", u, len(mine), len(of(before, u)))
		}
	}
	if longest > limit {
		return "", fmt.Errorf("viewers missed %v", longest)
	}
	if _, err := output(ctx, "docker", "start", gone.ID); err != nil {
		return "", err
	}
	if _, err := healthy(ctx, s); err != nil {
		return "", err
	}
	return fmt.Sprintf(": %d of %d pushes, viewers missed %.2f s at most", len(hit), len(s.pushes), longest.Seconds()), nil
}

// backAgain waits until every push publishes, those of the users hit by
// another connection than before, and returns what the room has seen then.
func (s *stack) backAgain(ctx context.Context, before []stage.Session, hit []string) ([]stage.Session, error) {
	var after []stage.Session
	err := wait(ctx, time.Minute, func(ctx context.Context) (err error) {
		if after, err = s.sessions(ctx); err != nil {
			return err
		}
		for _, u := range hit {
			if len(of(after, u)) == len(of(before, u)) {
				return fmt.Errorf("%s has not come back", u)
			}
		}
		if err := s.publishing(ctx); err != nil {
			return err
		}
		return s.inRealTime(ctx, 3*time.Second)
	})
	return after, err
}

// gap is what viewers miss between two sessions.
func gap(two []stage.Session) time.Duration { return two[1].Video.FirstAt.Sub(two[0].Video.LastAt) }

func restartRedis(ctx context.Context, s *stack) (string, error) {
	before, err := s.sessions(ctx)
	if err != nil {
		return "", err
	}
	all, err := s.containers(ctx, "redis")
	if err != nil {
		return "", err
	}
	if _, err := output(ctx, "docker", "restart", all[0].ID); err != nil {
		return "", err
	}
	restarted := time.Now()
	err = wait(ctx, time.Minute, func(ctx context.Context) error {
		if _, err := s.api.Ready(ctx); err != nil {
			return err
		}
		for i, id := range s.pushes {
			p, err := s.api.Get(ctx, id)
			if err != nil {
				return err
			}
			if p.State != tasks.Publishing || p.Progress == nil || p.Progress.UpdatedAt == nil || p.Progress.UpdatedAt.Before(restarted) {
				return fmt.Errorf("the push of %s is %s and has not been renewed", users()[i], p.State)
			}
		}
		return s.inRealTime(ctx, 0)
	})
	if err != nil {
		return "", err
	}
	after, err := s.sessions(ctx)
	if err == nil && len(after) != len(before) {
		err = fmt.Errorf("%d pushes connected anew", len(after)-len(before))
	}
	return "", err
}

func nothingLost(ctx context.Context, s *stack) (string, error) {
	if err := s.publishing(ctx); err != nil {
		return "", err
	}
	page, err := s.api.List(ctx, client.Filter{Limit: 100})
	if err != nil {
		return "", err
	}
	if len(page.Pushes) != len(s.pushes) {
		return "", fmt.Errorf("the API lists %d pushes", len(page.Pushes))
	}
	all, err := s.sessions(ctx)
	if err != nil {
		return "", err
	}
	live := slices.DeleteFunc(slices.Clone(all), func(s stage.Session) bool { return !s.Live() })
	if len(live) != len(s.pushes) {
		return "", fmt.Errorf("%d publishers are in the room", len(live))
	}
	return fmt.Sprintf(": %d pushes", len(s.pushes)), nil
}

// nothingDoubled looks at arrivals: a session whose connection broke may end
// after its successor began, but nothing comes in by it any more.
func nothingDoubled(ctx context.Context, s *stack) (string, error) {
	all, err := s.sessions(ctx)
	if err != nil {
		return "", err
	}
	for _, u := range users() {
		mine := of(all, u)
		for i := 1; i < len(mine); i++ {
			if gap(mine[i-1:i+1]) <= 0 {
				return "", fmt.Errorf("sessions %d and %d of %s overlap", mine[i-1].ID, mine[i].ID, u)
			}
		}
	}
	return fmt.Sprintf(": %d sessions of %d users", len(all), len(users())), nil
}

func stopPushes(ctx context.Context, s *stack) (string, error) {
	for _, id := range s.pushes {
		if _, err := s.api.Stop(ctx, id); err != nil {
			return "", err
		}
	}
	return "", wait(ctx, time.Minute, func(ctx context.Context) error {
		for _, id := range s.pushes {
			p, err := s.api.Get(ctx, id)
			if err != nil {
				return err
			}
			if p.State != tasks.Stopped {
				return fmt.Errorf("a push is %s", p.State)
			}
		}
		all, err := s.sessions(ctx)
		if err != nil {
			return err
		}
		for _, session := range all {
			if session.Live() {
				return fmt.Errorf("%s is in the room", session.User)
			}
		}
		return nil
	})
}
