package egress

import (
	"fmt"
	"os"
	"strings"
)

// ownsUDP says whether a UDP socket of this very process is bound to port: a
// column of Linux's /proc/net/udp (proc(5)) names its inode, /proc/self/fd has
// it or not.
func ownsUDP(port uint16) bool {
	table, err := os.ReadFile("/proc/self/net/udp")
	if err != nil {
		return false
	}
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 9 && strings.HasSuffix(f[1], suffix) && holds("socket:["+f[9]+"]") {
			return true
		}
	}
	return false
}

// holds says whether one of the process's descriptors is called so.
func holds(name string) bool {
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if link, err := os.Readlink(dir + "/" + e.Name()); err == nil && link == name {
			return true
		}
	}
	return false
}
