// Package cgroup finds the control groups of this process.
package cgroup

import (
	"iter"
	"os"
	"path/filepath"
	"strings"
)

// Dirs yields the directory of this process's group of a controller ("": that of
// version 2), which is mounted at mount, and then those above it, whose limits hold
// too; nothing when there is none. root is that of the file system.
//
// A container's path is the host's, and what is mounted is the group itself: then
// the walk up to the mount finds it.
func Dirs(root, mount, controller string) iter.Seq[string] {
	return func(yield func(string) bool) {
		own, ok := ownDir(root, mount, controller)
		top := filepath.Join(root, mount)
		for dir := own; ok && strings.HasPrefix(dir, top) && yield(dir); {
			dir = filepath.Dir(dir)
		}
	}
}

func ownDir(root, mount, controller string) (string, bool) {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return "", false
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // 4:memory:/path, 0::/path
		if len(parts) == 3 && parts[1] == controller {
			return filepath.Join(root, mount, filepath.Clean("/"+parts[2])), true
		}
	}
	return "", false
}
