//go:build !unix

package minicluster

import "os/exec"

// setProcessGroup is for systems where a Ctrl-C reaches a whole process group.
func setProcessGroup(*exec.Cmd) {}
