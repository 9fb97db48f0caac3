//go:build unix

package minicluster

import (
	"os"
	"os/exec"
	"syscall"
)

// setProcessGroup keeps a Ctrl-C in the terminal from reaching the child: this
// process stops its children itself, in order.
func setProcessGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// The signals that pause a process and let it go on.
var (
	stopSignal     os.Signal = syscall.SIGSTOP
	continueSignal os.Signal = syscall.SIGCONT
)
