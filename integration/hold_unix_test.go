package integration

import (
	"os"
	"syscall"
)

// The signals that stop a process and let it go on.
var (
	sigStop os.Signal = syscall.SIGSTOP
	sigCont os.Signal = syscall.SIGCONT
)
