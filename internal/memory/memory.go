// Package memory tells how much memory this process has taken of what it may
// take, as the kernel counts before it kills.
package memory

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/roomcast/roomcast/internal/cgroup"
)

// goShare is how much of the limit Go's own memory may grow to before its
// collector works harder; the rest is libav's, the kernel's and what media/offheap keeps,
// of which Go knows nothing.
const goShare = 0.4

// Gauge reads the memory of this process, and of those it has started.
type Gauge struct {
	// Others tells the memory of processes that this one has started, where they have no
	// cgroup that counts all; nil: there are none.
	Others func() int64

	root  string // of the file system
	limit int64
	group group // whose limit it is; zero: none's, but the setting's
}

// group is a memory cgroup.
type group struct {
	dir   string
	files *version
}

// version is how a version of cgroups names what is read. cache is what the
// kernel takes back before it kills.
type version struct {
	mount, controller  string
	limit, usage, stat string
	cache              []string
}

var versions = [...]*version{
	{
		mount: "sys/fs/cgroup/memory", controller: "memory",
		limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes", stat: "memory.stat",
		cache: []string{"total_inactive_file", "total_active_file"},
	},
	{
		mount: "sys/fs/cgroup", controller: "",
		limit: "memory.max", usage: "memory.current", stat: "memory.stat",
		cache: []string{"inactive_file", "active_file", "slab_reclaimable"},
	},
}

// New returns the gauge of this process, whose limit is the least of setting
// (0: none) and its cgroups'.
func New(setting int64) *Gauge { return at("/", setting) }

func at(root string, setting int64) *Gauge {
	g := &Gauge{root: root, limit: setting}
	for _, v := range versions {
		for dir := range cgroup.Dirs(root, v.mount, v.controller) { // a parent's limit holds, too
			limit, err := number(filepath.Join(dir, v.limit))
			if err == nil && (g.limit == 0 || limit <= g.limit) {
				g.limit, g.group = limit, group{dir, v}
			}
		}
	}
	return g
}

// Limit is how many bytes this process may take; 0 when nobody has said.
func (g *Gauge) Limit() int64 { return g.limit }

// GoLimit is what GOMEMLIMIT should be; 0 for none.
func (g *Gauge) GoLimit() int64 { return int64(goShare * float64(g.limit)) }

// Used is how many bytes of Limit are taken. Where that is a cgroup's, it is
// what the group's processes hold, the kernel's memory for their sockets and
// pages included, without the files' pages that the kernel would drop first:
// that is what it compares before it kills. Else it is the pages of
// this process and its Others, those of files not included.
func (g *Gauge) Used() (int64, error) {
	if g.group.files == nil {
		return g.own()
	}
	used, err := number(filepath.Join(g.group.dir, g.group.files.usage))
	if err != nil {
		return 0, err
	}
	cache, err := g.group.cache()
	return max(used-cache, 0), err
}

func (g *Gauge) own() (int64, error) {
	text, err := os.ReadFile(filepath.Join(g.root, "proc/self/statm"))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text)) // size, resident, shared, … in pages
	if len(fields) < 3 {
		return 0, fs.ErrInvalid
	}
	resident, errResident := strconv.ParseInt(fields[1], 10, 64)
	shared, errShared := strconv.ParseInt(fields[2], 10, 64)
	own := (resident - shared) * int64(os.Getpagesize())
	if g.Others != nil {
		own += g.Others()
	}
	return own, errors.Join(errResident, errShared)
}

func (g group) cache() (int64, error) {
	text, err := os.ReadFile(filepath.Join(g.dir, g.files.stat))
	if err != nil {
		return 0, err
	}
	var sum int64
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		for _, n := range g.files.cache {
			if name == n {
				bytes, err := strconv.ParseInt(value, 10, 64)
				if err != nil {
					return 0, err
				}
				sum += bytes
			}
		}
	}
	return sum, nil
}

// noLimit is where limits begin that are none: version 1 writes the largest
// number of pages.
const noLimit = math.MaxInt64 / 2

// number reads a file with a number of bytes; one that is no limit is an error.
func number(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err == nil && n >= noLimit {
		err = strconv.ErrRange
	}
	return n, err
}
