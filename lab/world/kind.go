package world

import "fmt"

// Kind names a world.
type Kind string

// The worlds.
const (
	Bubble    Kind = "bubble"    // everything in memory, in a bubble of testing/synctest, in virtual time
	InProcess Kind = "inprocess" // one process, TCP on this machine, real disks, real time
	Processes Kind = "processes" // a process for each server, SIGKILL and SIGSTOP, rules by control socket
)

// Unsupported says that a world cannot do something, and why.
type Unsupported struct {
	World Kind
	What  string // "a power cut"
	Why   string // "the disks are real"
}

// Error implements error.
func (u *Unsupported) Error() string {
	return fmt.Sprintf("world %s cannot do %s: %s", u.World, u.What, u.Why)
}
