// Package tasks is the domain: what a push is, which states it goes through,
// who may start and stop it, and how one attempt of it is run. It does no I/O
// of its own; Redis, asynq, sealing and the media are adapters behind the
// interfaces declared here.
package tasks
