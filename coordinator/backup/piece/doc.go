// Package piece puts the pieces of one backup together, as the DB servers have listed
// them, and says whether they are complete and belong together.
//
// List asks one server for its pieces, and Hide removes those of deleted backups, which no
// command may see. Collect makes a Set of those of one backup. Examine is what a restore
// and an upload demand of it; Certify is the part of that which a verify repeats, also
// offline.
package piece
