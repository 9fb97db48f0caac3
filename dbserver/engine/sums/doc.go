// Package sums keeps the SHA-256 of the tables of one engine, computed while they were written. A backup
// whose tables have a sum here reads none of them.
//
// A Book belongs to one open engine. What it says is never wrong, and it may always say that it does not
// know: then the table has to be read.
//
//   - A table has a sum if it was created, written once from its beginning to its end, and closed, all
//     without an error and through the Book's file. Any other way to a name of a table takes the sum away:
//     writing at an offset, a file that is renamed, linked or opened for writing.
//   - Hashing has an allowance, so that a bulk load does not feel it (allowance.go). A table above it has
//     no sum, until it is read.
//   - The sum is that of the bytes that were handed to the disk, not of those that are on it. So a table
//     that rots has the sum of its right content, and who compares finds the damage.
//   - A sum goes with its table, so the Book is no larger than what the engine's directory has.
//
// # On disk
//
// The file SUMS in the engine's directory has the sums of tables that the engine's version has. The
// engine numbers tables by a counter that is durable with the version, so within one directory the name
// of such a table never becomes another table's. (The name of a table that is not in the version may,
// after a crash.) The file moves with its directory, and another engine has another directory, so the
// numbers of two engines do not meet. As a second witness, each sum carries size, file number of the
// operating system, and time of the last write; a copy of the directory made by other means has other
// files, and takes no sum.
//
// The file is replaced as a whole, synced, and ends with its own SHA-256: a file that is torn or damaged
// says nothing. It is written some seconds after the first sum that it lacks, and at the end. What a crash
// takes costs only the reading of those tables at the next backup.
package sums
