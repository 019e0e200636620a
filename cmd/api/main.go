// Command api serves Roomcast's HTTP API and queue monitor. Its settings are
// the ROOMCAST_ variables of the README.
package main

import "github.com/roomcast/roomcast/internal/process"

func main() {
	process.Main(run)
}
