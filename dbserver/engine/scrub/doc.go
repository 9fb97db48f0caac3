// Package scrub reads the tables of an engine now and then, so that what rots on the disk is known before
// it is needed.
//
// Each table is read once after it was written, if it lives for some seconds, and again every week. Its
// bytes are compared with its sum. A table that has none is checked by the checksums of its blocks, and
// then has a sum. Tables without a sum come first, then those that were never read, then those that were
// read longest ago.
//
// A scrub is nobody's hurry: it reads 16 MiB in a second, and nothing at all while the engine says so, which is
// while the disk hangs, a cut is made, or a backup holds the agency lock.
//
// What the machine has in its memory of a file it does not read from the disk. So the first reading finds
// what went wrong on the way to the disk only if the memory was needed for something else; later readings
// find it.
package scrub
