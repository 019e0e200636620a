package store

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"
)

// saves writes resume records into our own Redis. What is asked for while a round
// trip is under way goes with the next one: all pushes of a worker save at the same
// moment, and a command of its own costs Redis more than the script does.
type saves struct {
	client redis.UniversalClient
	script *redis.Script

	mu      sync.Mutex
	waiting []*oneSave
	sending bool
	trips   sync.WaitGroup
}

type oneSave struct {
	key  string
	args []any
	done chan error // capacity 1
}

// save writes one record; key and args are those of lua/save.lua.
func (s *saves) save(ctx context.Context, key string, args ...any) error {
	one := &oneSave{key, args, make(chan error, 1)}
	s.mu.Lock()
	s.waiting = append(s.waiting, one)
	if !s.sending {
		s.sending = true
		s.trips.Go(s.send)
	}
	s.mu.Unlock()
	select {
	case err := <-one.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send writes what waits until nothing does.
func (s *saves) send() {
	for {
		s.mu.Lock()
		batch := s.waiting
		s.waiting, s.sending = nil, len(batch) > 0
		s.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), resumeTimeout)
		if again := s.trip(ctx, batch, s.script.EvalSha); len(again) > 0 { // the server does not know the script yet
			s.trip(ctx, again, s.script.Eval)
		}
		cancel()
	}
}

// trip writes a batch in one round trip and returns those that lack the script.
func (s *saves) trip(ctx context.Context, batch []*oneSave, eval evaluate) (again []*oneSave) {
	pipe := s.client.Pipeline()
	cmds := make([]*redis.Cmd, len(batch))
	for i, one := range batch {
		cmds[i] = eval(ctx, pipe, []string{one.key}, one.args...)
	}
	_, _ = pipe.Exec(ctx) // each has its own error
	for i, one := range batch {
		if err := cmds[i].Err(); redis.HasErrorPrefix(err, "NOSCRIPT") {
			again = append(again, one)
		} else {
			one.done <- err
		}
	}
	return again
}

// close waits until what was asked for is written, or given up.
func (s *saves) close() { s.trips.Wait() }
