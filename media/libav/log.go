package libav

// #include <libavutil/log.h>
// #include <stdint.h>
// #include <stdlib.h>
// #include "budget.h"
// #include "log.h"
import "C"

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/cgo"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/roomcast/roomcast/media"
)

// libav has one log callback for the whole process, so its receiver is the one
// piece of package state here.
var receiver atomic.Pointer[logReceiver]

const (
	waitingLines  = 1024 // beyond it lines are dropped rather than libav held up
	linesPerScope = 20   // a second, and for lines that belong to no source
)

// logReceiver brings libav's lines to slog, in a goroutine of its own.
type logReceiver struct {
	lines chan logLine
	quit  chan struct{}
	done  chan struct{}
	other *scope // for lines that belong to no source
}

type logLine struct {
	level slog.Level
	item  string
	text  string
	scope *scope
	// leftOut is how many lines of the scope the rate limit dropped before.
	leftOut int
}

// SetLogger sends libav's log to log: lines about a source to its Opener's
// logger, others here. What log is enabled for decides what libav formats at
// all. Secrets are redacted, floods cut, and libav never waits: what cannot be
// written in time is dropped. Before the first call nothing is logged. The
// returned func ends it; call it after the last Source is closed.
func SetLogger(log *slog.Logger) (stop func()) {
	installLog()
	r := &logReceiver{
		lines: make(chan logLine, waitingLines),
		quit:  make(chan struct{}),
		done:  make(chan struct{}),
		other: &scope{log: log},
	}
	go r.run()
	receiver.Store(r)
	C.av_log_set_level(libavLevel(log))
	return sync.OnceFunc(func() {
		if receiver.CompareAndSwap(r, nil) {
			C.av_log_set_level(C.AV_LOG_QUIET)
		}
		close(r.quit)
		<-r.done
	})
}

var installOnce = sync.OnceFunc(func() {
	C.av_log_set_level(C.AV_LOG_QUIET)
	C.rc_log_install()
	C.rc_bound_allocations()
	boundStacks()
})

// installLog sets up what is one for the process: it bounds the stacks of C and keeps
// libav from writing to standard error, where it would print whole URLs.
func installLog() { installOnce() }

func libavLevel(log *slog.Logger) C.int {
	ctx := context.Background()
	switch {
	case log.Enabled(ctx, slog.LevelDebug):
		return C.AV_LOG_DEBUG
	case log.Enabled(ctx, slog.LevelInfo):
		return C.AV_LOG_INFO
	case log.Enabled(ctx, slog.LevelWarn):
		return C.AV_LOG_WARNING
	}
	return C.AV_LOG_QUIET
}

// slogLevel is at most a warning: an opening that fails here may go on elsewhere, and who
// gives up says so.
func slogLevel(level C.int) slog.Level {
	switch {
	case level <= C.AV_LOG_WARNING: // also error, fatal and panic
		return slog.LevelWarn
	case level <= C.AV_LOG_INFO:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// roomcastLogLine is called by log.c on libav's thread. It must not block.
//
//export roomcastLogLine
func roomcastLogLine(handle C.uintptr_t, level C.int, item, text *C.char) {
	r := receiver.Load()
	if r == nil {
		return
	}
	sc := r.other
	if handle != 0 {
		sc, _ = cgo.Handle(handle).Value().(*scope)
	}
	ok, leftOut := sc.limit.allow(time.Now())
	if !ok {
		return
	}
	l := logLine{sc.level(level), C.GoString(item), C.GoString(text), sc, leftOut}
	select {
	case r.lines <- l:
	default:
	}
}

// level is a line's level for slog.
func (s *scope) level(level C.int) slog.Level {
	l := slogLevel(level)
	if l == slog.LevelInfo && s.chatty || l == slog.LevelWarn && s.hushed.Load() {
		return slog.LevelDebug
	}
	return l
}

func (r *logReceiver) run() {
	defer close(r.done)
	for {
		select {
		case l := <-r.lines:
			l.write()
		case <-r.quit:
			for len(r.lines) > 0 {
				l := <-r.lines
				l.write()
			}
			return
		}
	}
}

func (l logLine) write() {
	ctx := context.Background()
	if !l.scope.log.Enabled(ctx, l.level) {
		return
	}
	text := redact(strings.TrimSpace(strings.ToValidUTF8(l.text, "�")))
	if text == "" {
		return
	}
	attrs := []slog.Attr{slog.String("item", l.item), slog.String("text", text)}
	if l.leftOut > 0 {
		attrs = append(attrs, slog.Int("left_out", l.leftOut))
	}
	l.scope.log.LogAttrs(ctx, l.level, "libav says", attrs...)
}

// scope is whose log lines and allocations these are: one source's.
type scope struct {
	log    *slog.Logger
	handle cgo.Handle
	c      *C.rc_scope // libav's threads know it by this
	limit  rateLimit
	// chatty makes what is said at the level of information a detail: encoders
	// sum up their work when they are closed.
	chatty bool
	hushed atomic.Bool // so are warnings
}

// hush makes warnings a detail, or ends that.
func (s *scope) hush(on bool) { s.hushed.Store(on) }

// newScope returns the scope of one source. Its owner closes it.
func (o *Opener) newScope(r media.SourceRequest) *scope {
	s := &scope{log: o.log}
	if r.Log != nil {
		s.log = r.Log
	}
	s.begin()
	return s
}

func (s *scope) begin() {
	s.handle = cgo.NewHandle(s)
	s.c = (*C.rc_scope)(C.calloc(1, C.sizeof_rc_scope))
	s.c.log = C.uintptr_t(s.handle)
}

func (s *scope) close() {
	s.handle.Delete()
	C.free(unsafe.Pointer(s.c))
}

// run calls libav so that its log lines and what it allocates are the scope's.
func (s *scope) run(call func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	C.rc_enter(s.c)
	defer C.rc_leave()
	return call()
}

// rateLimit allows linesPerScope a second.
type rateLimit struct {
	mu      sync.Mutex
	since   time.Time
	lines   int
	leftOut int
}

// allow says whether a line may pass, and how many did not since the last.
func (r *rateLimit) allow(now time.Time) (ok bool, leftOut int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.since) >= time.Second {
		r.since, r.lines = now, 0
	}
	if r.lines++; r.lines > linesPerScope {
		r.leftOut++
		return false, 0
	}
	leftOut, r.leftOut = r.leftOut, 0
	return true, leftOut
}
