package scenario

import "slices"

// stepsOf are the steps that each operation emits, as package event names them: a test compares.
var stepsOf = map[string][]string{
	"create": {
		"acquiring agency lock", "agency lock acquired", "waiting for agency lock", "reading Plan", "preparing",
		"locking", "gate asked for", "gate granted", "gate not granted", "open transaction aborted", "lock attempt failed", "all gates held",
		"going on without the global lock", "cutting", "cut fixed", "cut", "gate released", "gate expired",
		"gates opened", "Plan thawed", "linking", "linked", "verified", "sealed", "committing", "committed",
		"publishing", "published", "undoing", "dead time", "undone",
	},
	"restore": {
		"acquiring agency lock", "agency lock acquired", "waiting for agency lock",
		"servers matched", "staging", "staged", "switching Plan", "Plan switched", "swapping engine",
		"engine swapped", "waiting for servers", "restored", "undoing", "undone",
	},
	"delete":   {"deleting", "deletion committed", "piece removed", "deleted", "deletion failed", "deletion unknown"},
	"verify":   {"verifying", "piece verified", "verification ended"},
	"upload":   transferSteps,
	"download": transferSteps,
	"": {
		"disk hangs", "disk answers again", "shards opened again", "table damaged", "agent leads", "agent leads no more",
		"leadership taken", "leadership resigned", "leadership lost", "follower in sync", "follower no longer in sync",
		"follower copied", "server health changed", "agency lock expired", "agency lock broken", "holder without agency lock removed",
		"unfinished creation removed", "supervision mode changed", "grace period changed", "server maintenance changed",
		"job created", "job started", "job finished", "job failed", "job set back", "job waits",
		"jobs wait for the thaw", "lock of an ended job removed", "leader changed", "leader asked to resign",
		"resignation taken back", "shard without leader", "follower added", "follower removed", "follower replaced",
		"leadership not returned", "report of a lost shard removed",
	},
}

var transferSteps = []string{
	"transfer recorded", "transfer planned", "transfer assigned", "piece transfer started", "piece transferred",
	"piece transfer failed", "piece transfer cancelled", "transfer completed", "transfer failed", "transfer cancelled",
}

// Steps are the names of the steps of an operation ("create", "restore", …; "" for those of servers and the
// supervision), in order.
func Steps(operation string) []string { return slices.Clone(stepsOf[operation]) }

// disturbed are steps that an operation reaches alone if something is in its way.
var disturbed = []string{
	"waiting for agency lock", "lock attempt failed", "going on without the global lock", "undoing", "dead time", "undone",
	"gate not granted", "open transaction aborted", "gate expired", "piece transfer failed", "piece transfer cancelled", "transfer failed", "transfer cancelled",
}

// Course is the steps of an operation that nothing disturbs, in order.
func Course(operation string) []string {
	return slices.DeleteFunc(Steps(operation), func(step string) bool { return slices.Contains(disturbed, step) })
}

// among are the steps of the course from one step on, and before another; "" is no bound.
func among(course []string, from, before string) []string {
	first, last := 0, len(course)
	if from != "" {
		first = slices.Index(course, from)
	}
	if before != "" {
		last = slices.Index(course, before)
	}
	if first < 0 || first >= last {
		return nil
	}
	return course[first:last]
}

// allSteps are the steps of all operations, sorted.
func allSteps() []string {
	var all []string
	for _, steps := range stepsOf {
		all = append(all, steps...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
