//go:build !unix

package minicluster

import (
	"os"
	"os/exec"
)

// setProcessGroup is for systems where a Ctrl-C reaches a whole process group.
func setProcessGroup(*exec.Cmd) {}

var stopSignal, continueSignal os.Signal // there are none
