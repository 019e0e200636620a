package process

import (
	"os/exec"
	"runtime"
	"syscall"
)

// Child starts cmd, which dies with this process, whatever that dies of, and hears no
// Ctrl-C. When it has ended, ended is told what cmd.Wait says, unless it is nil, and
// then exited is closed.
func Child(cmd *exec.Cmd, ended func(error)) (exited <-chan struct{}, err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started, over := make(chan error), make(chan struct{})
	go func() {
		// The kernel sends Pdeathsig when the thread ends that started the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(over)
		err := cmd.Start()
		if started <- err; err != nil {
			return
		}
		if err = cmd.Wait(); ended != nil {
			ended(err)
		}
	}()
	return over, <-started
}
