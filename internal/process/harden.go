package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// harden keeps what this process has in its memory (keys, signatures, tokens)
// from others of its user: nobody but root may trace it or read its memory and
// environment in /proc, and it leaves no core file.
func harden() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid that this process is traced: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core files: %w", err)
	}
	return nil
}
