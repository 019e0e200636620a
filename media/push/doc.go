// Package push plays one attempt of a push: a program, the outlets that it feeds, and the
// pacer between them. A media.Job comes in. Play returns when the source is over, when the
// context ends, or with an error that no further try can help. It knows nothing of Redis,
// leases or the queue: the job's functions ask package tasks about those.
package push
