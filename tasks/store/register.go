package store

import (
	"context"

	"github.com/roomcast/roomcast/tasks"
)

// The warning in the history of a push whose record was written anew.
const (
	warnRestored    = string(tasks.WarnRecordRestored)
	messageRestored = "Redis had lost the record of this running push; its worker wrote it anew, its history before this is lost"
)

// Register writes the record of a running push anew after Redis has lost it.
// A record that is there belongs to the attempt as it does in Renew: Kept,
// Stop or Lost. It is Lost, too, when another push that has not ended publishes
// as its user, or when the push has ended.
func (s *Store) Register(ctx context.Context, r tasks.Registration) (tasks.Verdict, error) {
	var holder string
	for range createTries {
		reply, err := s.tryRegister(ctx, r, holder)
		if err != nil {
			return tasks.Lost, err
		}
		switch reply.code {
		case "kept":
			return tasks.Kept, nil
		case "stop":
			return tasks.Stop, nil
		case "lost":
			return tasks.Lost, nil
		case "holder":
			holder = reply.first()
		default:
			return tasks.Lost, refusal(reply)
		}
	}
	return tasks.Lost, nil // its user changes hands all the time
}

func (s *Store) tryRegister(ctx context.Context, r tasks.Registration, holder string) (reply, error) {
	p := r.Push
	if p.Desired == tasks.DesiredStop {
		p.State = tasks.Stopping
	}
	if p.State == tasks.Queued || p.State.Terminal() || p.Worker == "" {
		return reply{}, internal("push "+p.ID+" is not running, so it has no attempt to register", nil)
	}
	record, err := restoredRecord(p)
	if err != nil {
		return reply{}, err
	}
	o := ownerOf(p.Spec)
	keys := append(pushKeys(p.ID, o),
		keyAll, keyRoom(o.room), keyApp(o.app), keyUserIndex(o.user), keyPush(holder))
	return s.run(ctx, s.scripts.register, keys,
		p.ID, s.cfg.Retention.Milliseconds(), s.cfg.Lease.Milliseconds(), r.Envelope, p.Epoch, p.Worker,
		s.nextRenew(), holder, record.json(), eventsJSON(p.Epoch, r.Events), warnRestored, messageRestored)
}
