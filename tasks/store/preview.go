package store

import (
	"context"
	"strconv"
	"time"

	"github.com/roomcast/roomcast/tasks"
)

var (
	_ tasks.PreviewStore = (*Store)(nil)
	_ tasks.LookStore    = (*Store)(nil)
)

// SavePreview keeps p for tasks.LookTime if l owns its push; ErrGone or ErrStale
// when it does not.
func (s *Store) SavePreview(ctx context.Context, l tasks.Lease, p tasks.Preview) error {
	_, err := s.do(ctx, s.scripts.preview, []string{keyPush(l.ID), keyPreview(l.ID)},
		l.Epoch, l.Worker, p.At.UnixMilli(), p.JPEG, tasks.LookTime.Milliseconds())
	return err
}

// Look says that somebody looks at push id for tasks.LookTime, which its owner
// learns with its next renew, and returns its preview.
func (s *Store) Look(ctx context.Context, id string) (p tasks.Preview, found bool, err error) {
	r, err := s.run(ctx, s.scripts.look, []string{keyPreview(id), keyLooks}, id, tasks.LookTime.Milliseconds())
	if err != nil || r.code != "ok" || len(r.values) != 2 {
		return tasks.Preview{}, false, err
	}
	at, err := strconv.ParseInt(r.values[0], 10, 64)
	if err != nil {
		return tasks.Preview{}, false, internal("the time of a preview cannot be read", err)
	}
	return tasks.Preview{JPEG: []byte(r.values[1]), At: time.UnixMilli(at)}, true, nil
}
