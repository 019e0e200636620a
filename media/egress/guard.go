package egress

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"

	"github.com/roomcast/roomcast/media"
)

var errPanic = errors.New("what the source sent could not be coped with")

// guarded runs f, which reads what strangers send, and says whether it returned:
// a panic in it is logged and ends no process.
func guarded(log *slog.Logger, host string, f func()) (returned bool) {
	defer func() {
		fault := recover()
		if fault == nil {
			return
		}
		if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(fault)
		}
		log.Error("panic while a source was read", "host", host, "panic", panicText(fault), "stack", string(debug.Stack()))
	}()
	f()
	return true
}

// panicText leaves out what may hold a source's bytes.
func panicText(fault any) string {
	if err, ok := fault.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a %T", fault)
}

// guard is guarded for a goroutine of the way, which a panic ends for good.
func (w *way) guard(f func()) (returned bool) {
	returned = guarded(w.gate.cfg.Log, w.to.host, f)
	if !returned {
		w.mu.Lock()
		if w.blocked == nil {
			w.blocked = &media.Error{Kind: media.KindInternal, Op: opAnswer, Err: described(w.to, errPanic)}
		}
		w.mu.Unlock()
		w.cancel()
	}
	return returned
}
