// Package freeport finds ports for programs that are told which to listen on.
package freeport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// The kernel gives connections, and listeners that ask for any port, one of
// net.ipv4.ip_local_port_range, from 32768 on where nobody has set it. A port
// below is taken meanwhile only by who asks for it by number.
const lowest, highest = 10000, 32767

// Find returns a TCP port of loopback on which nobody listens.
func Find() (int, error) {
	var config net.ListenConfig
	var failed error
	for range 100 {
		port := lowest + rand.IntN(highest-lowest+1)
		l, err := config.Listen(context.Background(), "tcp", Addr(port))
		if err == nil {
			return port, l.Close()
		}
		failed = errors.Join(failed, err)
	}
	return 0, fmt.Errorf("find a free port: %w", failed)
}

// Addr returns "127.0.0.1:port".
func Addr(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
