// Command worker claims the attempts that the queue announces and plays them
// into their rooms. Its settings are ROOMCAST_… environment variables.
package main

import "github.com/roomcast/roomcast/internal/process"

func main() { process.Main(run) }
