// Package topology describes the cluster as the agency has it: now, and at the time of a backup.
//
// A Cluster is read from the agency at one index: the DB servers in Plan, the committed backups,
// the tombstones. A Reader reads it: Locked under the agency lock, where Plan is frozen; Latest
// at least as new as the call; Known from the cache if the agency does not answer.
//
// Dump writes and [ParseDump] reads the agency dump that every piece has. Match pairs the DB
// servers of a backup with those of today.
//
// The functions that take a root are pure: they read one immutable tree.
package topology
