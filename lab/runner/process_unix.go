//go:build unix

package runner

import (
	"os/exec"
	"syscall"
)

// ownGroup starts the child as the leader of a group of processes.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends the child and what it has started. Its only error is that there is no such process any more.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// quit makes a program in Go print its goroutines and end.
func quit(cmd *exec.Cmd) { _ = cmd.Process.Signal(syscall.SIGQUIT) } // it may have ended just now
