// Package facts reads from one tree of the agency what the supervision decides from: the
// DB servers, the shards as Plan and Current have them, the jobs, the locks.
//
// A Snapshot is built once and never changes. So every decision of one pass is made from the
// same facts, and the order of the pass does not depend on chance: everything that can be
// iterated over is sorted.
//
// The tree may be old when a decision reaches the agency. Therefore each fact stands beside
// the precondition that repeats it (Failed and RequireFailed, Shard.Report and
// [Shard.RequireReport]): a transaction that leans on a fact carries its precondition, and is
// refused if the fact no longer holds.
package facts
