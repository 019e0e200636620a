package store

import "context"

// Writable returns nil when Redis takes our writes now. It writes nothing: it
// deletes a key that is never there, which only the node that holds our keys
// can answer, and which a replica, or a master that may not write, refuses. Any
// node of a cluster answers PING. Errors are *tasks.Error with
// CodeRedisUnavailable.
func (s *Store) Writable(ctx context.Context) error {
	return storeError(s.client.Del(ctx, keyNone).Err())
}
