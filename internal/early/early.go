// Package early is initialised before rclone.
//
// rclone makes its configuration folder, ~/.config/rclone, when its package is
// initialised, which is before any code of a program that links it: "stasis version"
// made it. It does not if the environment names a configuration file. So the environment does,
// from the initialisation of this package until Restore, and rclone's reads it in between.
//
// Go initialises packages in the order of their import paths, but those that they import
// first (Go's specification, "Package initialization"). This one imports little, and its path comes
// before all of rclone's: that is why it is a module of its own, since the paths of all packages of
// the module stasis come after. A test in integration fails if the folder is made.
package early

import "os"

const variable = "RCLONE_CONFIG"

// added says that the variable is not the user's.
var added bool

func init() {
	if _, theirs := os.LookupEnv(variable); !theirs {
		added = os.Setenv(variable, "") == nil // that it is there is enough; without it there is a folder too many
	}
}

// Restore gives the environment back. It is called by the initialisation of the package that imports rclone: programs that
// this process starts get the environment as it was.
func Restore() {
	if added {
		_ = os.Unsetenv(variable) // it only fails for names that are none
	}
}
