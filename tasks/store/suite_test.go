package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
	"github.com/roomcast/roomcast/tasks/storetest"
)

func TestTheStoreDoesWhatAttemptsNeed(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		s, rdb := fresh(t, store.Config{})
		return storetest.Subject{
			Store: s,
			Add: func(p tasks.Push) {
				n := newPush(t, p.ID)
				p.Spec = n.Push.Spec
				n.Push, n.Envelope = p, "v1."+storetest.Key+".nonce.sealed"
				_, _, err := s.Create(ctx(t), n)
				require.NoError(t, err)
			},
			Get: func(id string) tasks.Push { return get(t, s, id) },
			Stop: func(id string) {
				_, err := s.Stop(ctx(t), id)
				require.NoError(t, err)
			},
			Strike: func(id string, strikes int) { set(t, rdb, id, "strikes", strikes) },
			Wait: func(id string, since time.Time) {
				set(t, rdb, id, "waiting", string(tasks.WaitingForEmpty), "waiting_since", since.UnixMilli())
			},
		}
	})
}
