package host

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// SandboxMode says what becomes of a host that cannot give everything up.
type SandboxMode string

// The modes.
const (
	SandboxAuto    SandboxMode = "auto"    // it works with what the kernel has, and says what it lacks
	SandboxRequire SandboxMode = "require" // it does not start
	SandboxOff     SandboxMode = "off"     // nothing is given up: for debuggers
)

// Sandbox is what a host has given up.
type Sandbox struct {
	Landlock bool     // files and TCP ports
	Seccomp  bool     // all system calls but those it needs
	Lacks    []string // why not; empty when it has given up everything
}

// Holds says whether a host has given up everything.
func (s Sandbox) Holds() bool { return s.Landlock && s.Seccomp && len(s.Lacks) == 0 }

func (s Sandbox) String() string {
	if s.Holds() {
		return "holds"
	}
	return "lacks " + strings.Join(s.Lacks, "; ")
}

// mostFiles is how many descriptors a host may have: its sessions'.
const mostFiles = 256

// enterSandbox gives up everything that libav does not need, in all threads. What
// decides over this process when memory is short comes first: later it is refused.
func enterSandbox(mode SandboxMode) (Sandbox, error) {
	var s Sandbox
	note := func(what string, err error) {
		if err != nil {
			s.Lacks = append(s.Lacks, fmt.Sprintf("%s: %v", what, err))
		}
	}
	note("oom_score_adj", os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0))
	if mode == SandboxOff {
		s.Lacks = append(s.Lacks, "everything: it is off")
		return s, nil
	}
	note("RLIMIT_CORE", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}))
	note("RLIMIT_NOFILE", unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: mostFiles, Max: mostFiles}))
	note("dumpable", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
	worker := os.Getppid() // later it is refused
	err := restrictFiles()
	s.Landlock = err == nil
	note("Landlock", err)
	err = restrictCalls()
	s.Seccomp = err == nil
	note("seccomp", err)
	if s.Seccomp || s.Landlock {
		note("self-test", selfTest(s, worker))
	}
	if mode == SandboxRequire && !s.Holds() {
		return s, fmt.Errorf("its sandbox %v; ROOMCAST_SANDBOX is require", s)
	}
	return s, nil
}

// restrictFiles leaves no file and no TCP port to open.
func restrictFiles() error {
	if err := landlock.V1.RestrictPaths(); err != nil {
		return err
	}
	return landlock.V9.BestEffort().Restrict() // what newer kernels know besides
}

// calls are those that Go's runtime, libav's threads and a session need. Those with
// which a descriptor is opened, a process begun or another one touched are not among
// them: what is not here fails with EPERM. All but the last line were seen while the
// corpus of internal/matrix was played.
var calls = []string{
	"read", "write", "writev", "recvmsg", "close", "getsockopt", "getsockname", "getpeername",
	"epoll_ctl", "epoll_pwait", "eventfd2",
	"mmap", "munmap", "mprotect", "madvise", "brk",
	"futex", "nanosleep", "sched_yield", "sched_getaffinity", "getrandom",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
	"getpid", "gettid", "exit", "exit_group", "set_robust_list", "rseq",
	// Of large blocks, of a machine whose clock is read by a call, and after a SIGCONT.
	"mremap", "clock_nanosleep", "clock_gettime", "gettimeofday", "restart_syscall",
}

// answerENOSYS makes the C library take clone, whose flags can be looked at.
const answerENOSYS = seccomp.ActionErrno | seccomp.Action(unix.ENOSYS)

// restrictCalls leaves no system call but calls, in all threads.
func restrictCalls() error {
	return seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionErrno,
			Syscalls: []seccomp.SyscallGroup{
				{Action: seccomp.ActionAllow, Names: calls},
				{Action: answerENOSYS, Names: []string{"clone3"}},
				{Action: seccomp.ActionAllow, NamesWithCondtions: looked()},
			},
		},
	})
}

// looked are the calls of which it depends on their arguments.
func looked() []seccomp.NameWithConditions {
	equal := func(argument uint32, value int) seccomp.Condition {
		return seccomp.Condition{Argument: argument, Operation: seccomp.Equal, Value: uint64(value)}
	}
	all := []seccomp.NameWithConditions{
		{Name: "clone", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.BitsSet, Value: unix.CLONE_THREAD}}},
		{Name: "tgkill", Conditions: seccomp.ArgumentConditions{equal(0, os.Getpid())}},
		{Name: "setpriority", Conditions: seccomp.ArgumentConditions{equal(0, unix.PRIO_PROCESS), equal(1, 0)}},
		// Its own limits are looked at; whoever may change them is outside.
		{Name: "prlimit64", Conditions: seccomp.ArgumentConditions{equal(2, 0)}},
	}
	// Not those that have the kernel send a signal to somebody else (F_SETOWN, F_SETSIG).
	for _, command := range []int{unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL, unix.F_DUPFD_CLOEXEC} {
		all = append(all, seccomp.NameWithConditions{Name: "fcntl", Conditions: seccomp.ArgumentConditions{equal(1, command)}})
	}
	for _, command := range []int{unix.PR_SET_NAME, unix.PR_SET_VMA} {
		all = append(all, seccomp.NameWithConditions{Name: "prctl", Conditions: seccomp.ArgumentConditions{equal(0, command)}})
	}
	return all
}

// selfTest tries what is forbidden; worker is who started this process.
func selfTest(s Sandbox, worker int) error {
	var open []string
	attempt := func(what string, holds bool, err error) {
		if holds && err == nil {
			open = append(open, what)
		}
	}
	f, err := os.Open("/proc/self/environ")
	if err == nil {
		_ = f.Close()
	}
	attempt("files", s.Landlock || s.Seccomp, err)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	attempt("sockets", s.Seccomp, err)
	attempt("other processes", s.Seccomp, unix.Kill(worker, 0))
	attempt("other processes' threads", s.Seccomp, unix.Tgkill(worker, worker, 0))
	if len(open) > 0 {
		return errors.New("it still has " + strings.Join(open, ", "))
	}
	return nil
}
