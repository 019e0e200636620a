// Package e2e holds the tests of the whole: real api and worker processes, a
// real Redis, nginx or the stand-in room, used as a client uses them. It has no
// code of its own.
package e2e
