// Package piece collects the pieces of one backup, as the DB servers list them, and checks that
// they are complete and belong together.
//
// List asks one server for its pieces. Hide removes those of deleted backups, which no command may
// see. Collect makes a Set of the pieces of one backup. Examine checks what a restore and an upload
// require of it. Certify is the part of this check that a verify repeats, also offline.
package piece
