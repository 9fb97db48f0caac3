// Package noconfig keeps rclone from making a folder for its configuration. As soon as a
// program that has rclone in it starts, rclone looks for the folder, and makes it if it is
// not there (fs/config, makeConfigPath). Stasis does not use it, and a command like version
// makes nothing. rclone leaves it out when the variable RCLONE_CONFIG is set, so
// this package sets it while rclone's packages are initialised.
//
// It has to come before them, and does by the rule of the language: packages whose imports
// are initialised come in the order of their paths. This one imports syscall alone. All that
// use os, as rclone's configuration does, wait for time, which waits for syscall
// and comes behind stasis. So it must import nothing else. A test of the program shows it
// (integration, TestProgramLeavesNothing).
package noconfig

import "syscall"

const variable = "RCLONE_CONFIG"

// set says whether the variable is this package's and not the operator's.
var set = hide()

func hide() bool {
	if _, given := syscall.Getenv(variable); given {
		return false
	}
	return syscall.Setenv(variable, "") == nil
}

// Done takes the variable away again, before anything else can see it. Only an importer of
// rclone calls it, when it is initialised.
func Done() {
	if set {
		_ = syscall.Unsetenv(variable) // it was set, so it has a proper name
	}
}
