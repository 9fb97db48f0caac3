// Package conformance is for tests of worlds. It has one table of faults, which [Check] does in a world one after the other: each
// fault is done, it is shown that it happened, it is taken back, and the cluster serves. A fault that needs what a world
// does not have has to be refused with [world.Unsupported].
package conformance
