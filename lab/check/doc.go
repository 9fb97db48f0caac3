// Package check judges runs of the fault lab: each backup by its own pieces, Plan by the agency's log, and what the
// structure of the cluster did while it was frozen.
//
// The package is experimental: names may change until the fault lab is finished.
//
// # A backup
//
// [Backup] asks a [reader.Reader] of the pieces, and never the cluster that made them. What it compares them with was known
// before the backup was opened, and does not come from the backup:
//
//	check          is compared with
//	certificate    what the create answered, and what the gates of the DB servers told
//	Plan           the agency's log, entry by entry, as [Plans] has followed it
//	replicas       each other, up to the positions that their leaders stated
//	one instant    the histories of the workloads
//
// Each is a name in [verdict.Violation]. What could not be judged is in [verdict.Backup.Unknown], with the reason, and is not
// taken for right.
//
// # Why Plan is compared with the log
//
// The dump of Plan in a backup and the hash in its certificate are both made by the coordinator of that create, from its own
// copy of the agency's tree. If that copy is wrong, both agree and both are wrong. Events have no Plan, and a read of the agency by
// the lab comes at some other index. The log has every version with its index, from whichever agent leads, and a client of the lab
// replays it with a copy of its own. What it cannot follow, because the log was cut off before it was read, is a gap: a
// version inside a gap is unknown.
package check
