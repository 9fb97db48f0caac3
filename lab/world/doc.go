// Package world has the three places in which a scenario of the fault lab can run, behind one interface:
// a bubble (memory, virtual time), one process (TCP and real disks of this machine, real time), and processes of their own.
//
// What a world cannot do is an [Unsupported] error, never ignored: [Features] lists it with the reasons. Package conformance
// does every fault in a world and shows that it happened.
package world
