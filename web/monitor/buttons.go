package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/hibiken/asynq"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/problem"
)

// maxBody bounds the ids of one request; asynqmon's page sends up to 100.
const maxBody = 64 << 10

// buttons is what asynqmon's page can change, done our way. Cancel asks for
// our durable stop; asynq's own would start a second run beside the first.
// Delete stops the push that waits for the task, then removes the
// task.
type buttons struct {
	pushes    Pushes
	inspector *asynq.Inspector
	log       *slog.Logger
}

// act is what a button does to one task.
type act func(ctx context.Context, queue, taskID string) error

// lister is a list of asynq's.
type lister func(queue string, opts ...asynq.ListOption) ([]*asynq.TaskInfo, error)

// routes answers the requests of Cancel and Delete, whose shapes are
// asynqmon's (its handler.go and ui/src/api.ts), and refuses every other.
func (b *buttons) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", refuse)
	queue := Root + "/api/queues/{queue}/"
	mux.HandleFunc("POST "+queue+"active_tasks/{task}", b.cancelOne)
	mux.HandleFunc("POST "+queue+"active_tasks:batch_cancel", b.some(b.cancel, "canceled_ids", "error_ids"))
	mux.HandleFunc("POST "+queue+"active_tasks:cancel_all", b.all(b.inspector.ListActiveTasks, b.cancel))
	for state, list := range map[string]lister{
		"pending":   b.inspector.ListPendingTasks,
		"scheduled": b.inspector.ListScheduledTasks,
		"retry":     b.inspector.ListRetryTasks,
		"archived":  b.inspector.ListArchivedTasks,
		"completed": b.inspector.ListCompletedTasks,
	} {
		mux.HandleFunc("DELETE "+queue+state+"_tasks/{task}", b.deleteOne)
		mux.HandleFunc("POST "+queue+state+"_tasks:batch_delete", b.some(b.discard, "deleted_ids", "failed_ids"))
		mux.HandleFunc("DELETE "+queue+state+"_tasks:delete_all", b.all(list, b.discard))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, Root+"/api/queues/"+webhookQueue+"/") {
			refuse(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func refuse(w http.ResponseWriter, _ *http.Request) {
	problem.Write(w, &tasks.Error{
		Code: problem.CodeMonitorReadOnly,
		Msg:  "the monitor can stop a push (Cancel, Delete) and nothing else; running, archiving and pausing are up to Roomcast",
	})
}

func (b *buttons) cancelOne(w http.ResponseWriter, r *http.Request) {
	taskID, ok := strings.CutSuffix(r.PathValue("task"), ":cancel")
	if !ok {
		refuse(w, r)
		return
	}
	b.answer(w, r, b.cancel(r.Context(), r.PathValue("queue"), taskID))
}

func (b *buttons) deleteOne(w http.ResponseWriter, r *http.Request) {
	b.answer(w, r, b.discard(r.Context(), r.PathValue("queue"), r.PathValue("task")))
}

// some does do to the tasks the request names and answers which it was done
// to, under the names the page reads.
func (b *buttons) some(do act, doneName, failedName string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ids, err := taskIDs(w, r)
		if err != nil {
			b.answer(w, r, err)
			return
		}
		done, failed, err := each(r.Context(), r.PathValue("queue"), ids, do)
		b.logFault(r, err)
		writeJSON(w, map[string][]string{doneName: done, failedName: failed})
	}
}

// all does do to every task that list has.
func (b *buttons) all(list lister, do act) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		queue := r.PathValue("queue")
		ids, err := listed(list, queue)
		if err != nil {
			b.answer(w, r, err)
			return
		}
		done, _, err := each(r.Context(), queue, ids, do)
		if err != nil || r.Method == http.MethodPost {
			b.answer(w, r, err)
			return
		}
		writeJSON(w, map[string]int{"deleted": len(done)})
	}
}

// answer says nothing when err is nil, as asynqmon does.
func (b *buttons) answer(w http.ResponseWriter, r *http.Request, err error) {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	b.logFault(r, err)
	problem.Write(w, typed(err))
}

// logFault logs err if it is a fault of ours, or of what we need.
func (b *buttons) logFault(r *http.Request, err error) {
	if err == nil || r.Context().Err() != nil {
		return
	}
	if p := problem.Of(typed(err)); p.Status >= http.StatusInternalServerError {
		b.log.Error("a button of the monitor failed", "path", r.URL.Path, "code", string(p.Code), "error", err)
	}
}

func typed(err error) *tasks.Error {
	if e, ok := errors.AsType[*tasks.Error](err); ok {
		return e
	}
	return &tasks.Error{Code: tasks.CodeInternal, Msg: "something went wrong on our side; the log has the cause", Err: err}
}

// taskIDs reads the body of a batch.
func taskIDs(w http.ResponseWriter, r *http.Request) ([]string, error) {
	var body struct {
		TaskIDs []string `json:"task_ids"`
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(&body)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, &tasks.Error{Code: problem.CodeBodyTooLarge, Msg: "the body is over 64 KiB; choose fewer tasks", Err: err}
	}
	if err != nil {
		return nil, &tasks.Error{Code: tasks.CodeInvalidRequest, Msg: `the body must be {"task_ids": […]}`, Err: err}
	}
	return body.TaskIDs, nil
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client is gone if this fails
}
