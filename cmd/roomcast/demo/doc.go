// Package demo runs all of Roomcast on one machine: a private Redis, the
// stand-in room, a file server with a sample clip, one API and one worker, and
// a push through the HTTP API. With a number of seconds it checks what the room
// received.
package demo
