package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

const (
	lookEvery            = 100 * time.Millisecond // how often an idle server looks for a task that nobody has woken it for; Redis looks at the time ten times a second when it idles
	restTime             = 10 * time.Millisecond  // asynq's sleep after a look that found nothing; wakes gather meanwhile
	delayedCheckInterval = time.Second            // how often retries are looked for
	retryDelay           = time.Second
	retryJitter          = 500 * time.Millisecond
	extendTime           = time.Second // asynq's leases have 30 s, and it looks at them every 5 s when nothing else takes it time
	onCancelTimeout      = 10 * time.Second
	defaultShutdown      = 5 * time.Second
)

// Config is what a Server needs. Slots and Handler are required.
type Config struct {
	Slots int
	// Takes says whether there is room for one more task, of those that continue
	// pushes or of new ones: else the server leaves what is in that queue to others.
	// It is asked often. Nil takes all.
	Takes func(resume bool) bool
	// Wanted returns a task of these that is to be taken now, before all others and
	// whatever Takes says, wherever it waits in its queue; Missing hears of one that does
	// not wait there. Wanted is asked with each look, until it returns false. Nil wants none.
	Wanted  func(resume bool) (t tasks.Task, wanted bool)
	Missing func(t tasks.Task)
	// Handler runs an attempt. Its context is the server's own: it ends when
	// Shutdown is through with asynq, with the cause media.ErrDraining, and
	// never because asynq cancels a task. A returned error brings the task
	// back after about a second, but a *tasks.PushFailed ends it, as failed; nil
	// ends it.
	Handler func(ctx context.Context, t tasks.Task) error
	// OnCancel is called when somebody cancels the task in asynq (asynqmon's
	// button, `asynq task cancel`); it has to make that a durable stop. The
	// handler goes on meanwhile. Nil ignores cancels.
	OnCancel func(ctx context.Context, t tasks.Task)
	// Outage is how long handlers go on while Redis is away; for so long their tasks
	// stay theirs.
	Outage time.Duration
	// ShutdownTimeout is how long Shutdown lets handlers end by themselves
	// before asynq puts their tasks back; 0 means 5 s.
	ShutdownTimeout time.Duration
	Log             *slog.Logger // nil means slog.Default()
}

// Server takes tasks from the queues and gives them to the handler.
type Server struct {
	cfg   Config
	asynq *asynq.Server

	cancel context.CancelCauseFunc // of the handlers' context

	refused repeats

	mu       sync.Mutex
	closed   bool
	handlers sync.WaitGroup
}

// NewServer returns a Server that takes tasks from rdb once started; rdb stays
// the caller's to close.
func NewServer(rdb redis.UniversalClient, cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.ShutdownTimeout <= 0 {
		cfg.ShutdownTimeout = defaultShutdown
	}
	s := &Server{cfg: cfg, cancel: func(error) {}}
	// BaseContext stays unset: its end would look like a cancel from the UI.
	s.asynq = asynq.NewServerFromRedisClient(&gate{UniversalClient: rdb, takes: cfg.Takes, wanted: cfg.Wanted, missing: cfg.Missing, outage: cfg.Outage}, asynq.Config{
		Concurrency:              cfg.Slots,
		TaskCheckInterval:        restTime,
		DelayedTaskCheckInterval: delayedCheckInterval,
		Queues:                   map[string]int{QueueResume: 2, QueuePush: 1},
		StrictPriority:           true,
		RetryDelayFunc:           delay,
		IsFailure:                func(error) bool { return false },
		ErrorHandler:             asynq.ErrorHandlerFunc(s.handleError),
		ShutdownTimeout:          cfg.ShutdownTimeout,
		Logger:                   logger{cfg.Log},
		LogLevel:                 asynq.InfoLevel,
	})
	return s
}

// Start begins to take tasks and returns. It is called once.
func (s *Server) Start() (err error) {
	s.cancel, err = startServer(s.asynq, s.process)
	return err
}

// startServer starts a server of asynq's whose tasks process runs, with a context
// that is ours and ends with the returned func.
func startServer(server *asynq.Server, process func(ctx, asynqs context.Context, task *asynq.Task) error) (context.CancelCauseFunc, error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	err := server.Start(asynq.HandlerFunc(func(asynqs context.Context, task *asynq.Task) error { return process(ctx, asynqs, task) }))
	if err != nil {
		cancel(err)
		return cancel, fmt.Errorf("start queue server: %w", err)
	}
	return cancel, nil
}

// Stop takes no more tasks; running handlers go on. Call it first when
// draining, Shutdown after.
func (s *Server) Stop() { s.asynq.Stop() }

// Shutdown takes no more tasks, waits up to ShutdownTimeout for handlers to
// end by themselves, then cancels their context and waits for them. Tasks of
// handlers that had to be cancelled are put back into their queue.
func (s *Server) Shutdown() {
	s.asynq.Shutdown()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel(media.ErrDraining)
	s.handlers.Wait()
}

// enter counts a handler in, unless Shutdown waits for the last one already.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.handlers.Add(1)
	return true
}

// process runs one task; ctx is the server's, and asynq's only says where the task
// was.
func (s *Server) process(ctx, asynqs context.Context, task *asynq.Task) error {
	t, err := decode(task)
	if err != nil {
		return errors.Join(err, asynq.SkipRetry)
	}
	name, _ := asynq.GetQueueName(asynqs)
	t.GoesOn = name == QueueResume
	if !s.enter() {
		return media.ErrDraining
	}
	defer s.handlers.Done()
	err = s.cfg.Handler(ctx, t)
	failed, ended := errors.AsType[*tasks.PushFailed](err)
	if err != nil && !ended {
		return &refusal{err}
	}
	s.refused.forget(TaskID(t.ID, t.Epoch))
	if ended {
		return final{failed}
	}
	return nil
}

// refusal is a handler's error as asynq keeps it with the task, where the monitor
// shows it to people: without the inner cause, which is for the log.
type refusal struct{ err error }

func (r *refusal) Error() string {
	if e, ok := errors.AsType[*tasks.Error](r.err); ok {
		return e.Msg
	}
	return r.err.Error()
}

func (r *refusal) Unwrap() error { return r.err }

// final is an error after which asynq archives the task, with its words.
type final struct{ error }

// Is makes it asynq.SkipRetry to asynq.
func (f final) Is(target error) bool { return target == asynq.SkipRetry }

func (f final) Unwrap() error { return f.error }

// handleError sees every task that did not end with nil, before asynq writes
// what becomes of it. asynq's context is cancelled without its lease being
// lost only by a cancel from outside.
func (s *Server) handleError(ctx context.Context, task *asynq.Task, err error) {
	t, decodeErr := decode(task)
	if decodeErr != nil {
		s.cfg.Log.Error("queue task is malformed", "task_type", task.Type(), "error", decodeErr)
		return
	}
	log := s.cfg.Log.With("push_id", t.ID, "epoch", t.Epoch)
	if _, ended := errors.AsType[*tasks.PushFailed](err); ended {
		return
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		err = r.err
	}
	if !cancelledFromOutside(ctx, err) {
		if s.refused.changed(TaskID(t.ID, t.Epoch), err.Error()) {
			log.Warn("queue task will be delivered again, perhaps more than once", "error", err)
		}
		return
	}
	log.Info("queue task was cancelled from outside")
	if s.cfg.OnCancel == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), onCancelTimeout)
	defer cancel()
	s.cfg.OnCancel(ctx, t)
}

// cancelledFromOutside tells a cancel in asynq's UI from its other ends: a
// deadline, a lost lease (asynq cancels the context then, too) and an error of
// the handler. A shutdown does not come here.
func cancelledFromOutside(ctx context.Context, err error) bool {
	return errors.Is(ctx.Err(), context.Canceled) && !errors.Is(err, asynq.ErrLeaseExpired)
}

func decode(task *asynq.Task) (tasks.Task, error) {
	var t tasks.Task
	if err := json.Unmarshal(task.Payload(), &t); err != nil {
		return tasks.Task{}, fmt.Errorf("decode payload: %w", err)
	}
	if task.Type() != TaskType || t.ID == "" || t.Epoch < 1 {
		return tasks.Task{}, errors.New("decode payload: not a push's attempt")
	}
	return t, nil
}

// delay spreads retries: they are rare and about infrastructure, so there is
// nothing to back off from for long.
func delay(int, error, *asynq.Task) time.Duration {
	return retryDelay + rand.N(retryJitter)
}

// logger writes asynq's lines to slog. Its info lines are about itself, so
// they are debug for us.
type logger struct{ log *slog.Logger }

func (l logger) Debug(args ...any) { l.write(slog.LevelDebug, args) }
func (l logger) Info(args ...any)  { l.write(slog.LevelDebug, args) }
func (l logger) Warn(args ...any)  { l.write(slog.LevelWarn, args) }
func (l logger) Error(args ...any) { l.write(slog.LevelError, args) }
func (l logger) Fatal(args ...any) { l.write(slog.LevelError, args) }

func (l logger) write(level slog.Level, args []any) {
	l.log.Log(context.Background(), level, "asynq", "text", fmt.Sprint(args...))
}
