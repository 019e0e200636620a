// Package stage serves what a demo needs around Roomcast, each part by itself:
// the stand-in room, with a report of what it has received, and a folder of
// clips. docker-compose.yml runs them in its profile demo.
package stage
