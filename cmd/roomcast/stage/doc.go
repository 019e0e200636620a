// Package stage serves what a demo needs around Roomcast, each part by itself:
// the stand-in room, with a report of what it has received, and a folder of
// clips. deploy/compose.demo.yml runs them.
package stage
