package store

import "context"

// Writable returns nil when Redis takes our writes now. It writes nothing: to put no
// text into a key that is not there makes none. Only the node that holds our keys can
// answer that, and a replica, or a master that is full or may not write, refuses it. Any
// node of a cluster answers PING. Errors are *tasks.Error with
// CodeRedisUnavailable.
func (s *Store) Writable(ctx context.Context) error {
	return storeError(s.client.SetRange(ctx, keyNone, 0, "").Err())
}
