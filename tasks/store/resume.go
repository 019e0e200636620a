package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

// The fields of a resume record. People and their programs read them; the
// names are part of our interface.
const (
	resumePosition = "position_ms" // media time of the source, ms
	resumeDuration = "duration_ms" // 0 when unknown
	resumePush     = "push_id"     // the newest push with redis:true that plays; only it writes
	resumeUpdated  = "updated_at"  // RFC 3339, UTC
	resumeFinished = "finished"    // 1 when the source was played to its end
	// 1 when the source's clock has stepped back: the position is no time of it
	resumeUnclocked = "unclocked"
)

const (
	resumeTimeout    = 2 * time.Second
	defaultResumeTTL = 30 * 24 * time.Hour
	defaultIdle      = time.Minute
	// savesAtOnce bounds one round trip of records: all pushes of a worker save at the same
	// moment, and a command of its own costs Redis more than the script does.
	savesAtOnce = 1000
	// ownerTime is how long after its last write, of which it makes one a second, a push
	// counts as one that plays.
	ownerTime = 10 * time.Second
)

// ResumeConfig sets up a Resume; zero fields mean the default.
type ResumeConfig struct {
	// Allow lists the Redis servers a request may name: host:port,
	// redis://host:port or rediss://host:port. The entry gives the scheme.
	Allow []string
	TTL   time.Duration // of a record since its last write; 30 days
	Idle  time.Duration // after which a named server's connections are closed; 1 min
}

// Resume keeps resume records, in our own Redis or in one a request names. The
// key is `{roomcast}:resume:<key>` everywhere; no part of a URL is stored. It
// is safe for concurrent use. The caller closes it.
type Resume struct {
	own     redis.UniversalClient
	targets *targets
	save    *redis.Script
	saves   *tasks.Batch[scriptCall, error]
	ttl     time.Duration
}

var _ tasks.ResumeStore = (*Resume)(nil)

// NewResume returns a Resume whose own Redis is own, which stays the caller's
// to close. It fails on an Allow entry it cannot read.
func NewResume(own redis.UniversalClient, cfg ResumeConfig) (*Resume, error) {
	if cfg.TTL <= 0 {
		cfg.TTL = defaultResumeTTL
	}
	if cfg.Idle <= 0 {
		cfg.Idle = defaultIdle
	}
	allow, err := parseAllow(cfg.Allow)
	if err != nil {
		return nil, err
	}
	script := redis.NewScript(source("save"))
	return &Resume{
		own: own, targets: newTargets(allow, cfg.Idle), save: script, ttl: cfg.TTL,
		saves: tasks.NewBatch(savesAtOnce, 0, func(asked []scriptCall) ([]error, error) {
			ctx, cancel := context.WithTimeout(context.Background(), resumeTimeout)
			defer cancel()
			errs := make([]error, len(asked))
			for i, cmd := range pipelined(ctx, own, script, asked) {
				errs[i] = cmd.Err()
			}
			return errs, nil
		}),
	}, nil
}

// Close closes the connections to named servers.
func (r *Resume) Close() { r.targets.close() }

// Allowed says whether the operator lists the target; our own Redis is.
func (r *Resume) Allowed(t tasks.ResumeTarget) bool {
	if t.Host == "" {
		return true
	}
	_, ok := r.targets.allow[targetAddr(t)]
	return ok
}

// Load returns the record of key, found false when there is none. It takes 2 s
// at most.
func (r *Resume) Load(ctx context.Context, t tasks.ResumeTarget, key string) (record tasks.ResumeRecord, found bool, err error) {
	err = r.with(ctx, t, func(ctx context.Context, client redis.UniversalClient) error {
		values, err := client.HGetAll(ctx, keyResume(key)).Result()
		if err != nil || len(values) == 0 {
			return err
		}
		found = true
		record, err = readResume(values)
		return err
	})
	if err != nil {
		return tasks.ResumeRecord{}, false, fmt.Errorf("load resume record: %w", err)
	}
	return record, found, nil
}

// Save writes the record of key unless a newer push has written it within ownerTime
// (then it does nothing). It takes 2 s at most.
func (r *Resume) Save(ctx context.Context, t tasks.ResumeTarget, key string, record tasks.ResumeRecord) error {
	args := []any{
		record.PushID, record.Position.Milliseconds(), record.Duration.Milliseconds(),
		stamp(record.UpdatedAt), bit(record.Finished), r.ttl.Milliseconds(), bit(record.Unclocked), stamp(record.UpdatedAt.Add(-ownerTime)),
	}
	err := r.with(ctx, t, func(ctx context.Context, client redis.UniversalClient) error {
		if t.Host == "" {
			saved, err := r.saves.Ask(ctx, scriptCall{[]string{keyResume(key)}, args})
			return cmp.Or(err, saved)
		}
		return r.save.Run(ctx, client, []string{keyResume(key)}, args...).Err()
	})
	if err != nil {
		return fmt.Errorf("save resume record: %w", err)
	}
	return nil
}

// stamp is a time as a record has it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// with calls f with the target's client, for 2 s at most.
func (r *Resume) with(ctx context.Context, t tasks.ResumeTarget, f func(context.Context, redis.UniversalClient) error) error {
	ctx, cancel := context.WithTimeout(ctx, resumeTimeout)
	defer cancel()
	client := r.own
	if t.Host != "" {
		var release func()
		var err error
		if client, release, err = r.targets.client(t); err != nil {
			return err
		}
		defer release()
	}
	if err := f(ctx, client); err != nil {
		return &tasks.Error{
			Code: tasks.CodeRedisUnavailable, Msg: "the Redis for resume records did not answer as one does; check redisHost, redisPort and redisPassword",
			Retryable: true, Err: err,
		}
	}
	return nil
}

// readResume reads a record that somebody else may have written.
func readResume(values map[string]string) (tasks.ResumeRecord, error) {
	position, err1 := readMs(values[resumePosition])
	duration, err2 := readMs(values[resumeDuration])
	if err := errors.Join(err1, err2); err != nil {
		return tasks.ResumeRecord{}, err
	}
	// An unreadable time is an unknown one: nothing depends on it.
	updated, _ := time.Parse(time.RFC3339, values[resumeUpdated])
	return tasks.ResumeRecord{
		Position: position, Duration: duration, Unclocked: values[resumeUnclocked] == bit(true), PushID: values[resumePush],
		UpdatedAt: updated, Finished: values[resumeFinished] == bit(true),
	}, nil
}

// maxResume is far beyond any source and far below an overflow.
const maxResume = 365 * 24 * time.Hour

func readMs(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > maxResume.Milliseconds() {
		return 0, errors.New("resume record has a time that is not a number of milliseconds")
	}
	return time.Duration(n) * time.Millisecond, nil
}
