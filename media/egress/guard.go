package egress

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
)

var errPanic = errors.New("what the source sent could not be coped with")

// guarded runs f, which reads what strangers send: a panic in it is logged and
// ends no process.
func guarded(log *slog.Logger, host string, f func()) {
	defer func() {
		fault := recover()
		if fault == nil {
			return
		}
		log.Error("panic while a source was read", "host", host, "panic", panicText(fault), "stack", string(debug.Stack()))
	}()
	f()
}

// panicText leaves out what may hold a source's bytes.
func panicText(fault any) string {
	if err, ok := fault.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a %T", fault)
}
