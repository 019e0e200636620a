package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func containsLine(text, line string) bool {
	return slices.Contains(strings.Split(strings.ReplaceAll(text, "\r", ""), "\n"), line)
}

// lastLog returns the last line of the server's log.
func (s *Server) lastLog() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "redis.log"))
	if err != nil {
		return "no log"
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

func (s *Server) sentinelConfig() string { return filepath.Join(s.dir, "sentinel.conf") }

// writeSentinelConfig writes the file that a Sentinel needs and rewrites.
func (s *Server) writeSentinelConfig() error {
	master := s.cfg.SentinelOf
	if master == nil {
		return nil
	}
	text := fmt.Sprintf("sentinel monitor mymaster 127.0.0.1 %d 1\n", master.port)
	if master.cfg.Password != "" {
		text += "sentinel auth-pass mymaster " + master.cfg.Password + "\n"
	}
	return os.WriteFile(s.sentinelConfig(), []byte(text), 0o600)
}
