//go:build !unix

package runner

import "os/exec"

func ownGroup(*exec.Cmd) {}

// killGroup ends the child; servers that it has started end with their parent.
func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() } // it may have ended just now

func quit(cmd *exec.Cmd) { killGroup(cmd) }
