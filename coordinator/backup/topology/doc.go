// Package topology is what the agency says of the cluster: now, and at the time of a
// backup.
//
// A Cluster is one cross-section of the agency: the DB servers in Plan, the backups that
// are on record, the pieces that have to go. A Reader reads it: Locked under the agency
// lock, where Plan is frozen; Latest at least as new as the call; Known from the cache if
// the agency does not answer.
//
// Dump and ParseDump are the two ends of the agency dump that every piece carries. Match
// pairs the DB servers of a backup with those of today.
//
// The functions that take a root are pure: they read one immutable tree.
package topology
