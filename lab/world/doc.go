// Package world has the three places in which a scenario of the fault lab can run, behind one interface:
// a bubble (memory, virtual time), one process (TCP and real disks of this machine, real time), and processes of their own.
//
// # A pause
//
// In world Processes a pause is SIGSTOP: nothing of the server goes on. In the other worlds the servers share a process, of which none
// can be stopped alone. There a pause is what others see of one: the host is frozen, calls that change the disk hang, and the server waits at
// each step that it tells. Its memory changes meanwhile, its timers fire, and it reads its disk. The feature
// "a pause of all code" says so.
//
// A pause is no fault of the network or of the disk: to heal these does not end it, and its end heals none of them.
//
// # A hold
//
// An operation that is held goes on at [Held].End, when its own time is over, or when the process ends in which it is held. Of the last two
// [Held].Over tells.
//
// # A remote storage
//
// [World.Remote] is where backups go. In the worlds of one process it is a folder on a disk of package fault, so it hangs, fails and
// fills as disks do. Processes use what the program offers: a remote of type local, which the lab cannot break.
//
// # Lost disks
//
// [World.Lose] is a disk that is lost for good. The server that is started then has an empty one: an agent waits for the others, and
// any other server joins as a new one. [World.Recover] is "stasis agency recover". [World.Start] starts a server that may have to wait.
//
// # What is left
//
// [World.Left] looks for what operations have left on disks, in the agency and in memory. What is there and cannot be read is an error. Close of a
// world in one process looks for goroutines of its servers that go on; in a bubble the bubble does.
//
// # What a world cannot do
//
// What a world cannot do is an [Unsupported] error, never ignored: [Features] lists it with the reasons. Package conformance
// does every fault in a world and shows that it happened.
package world
