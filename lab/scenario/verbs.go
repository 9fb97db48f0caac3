package scenario

import "slices"

// Whens are the keys of `do`: when a step is done.
func Whens() []Form {
	return []Form{
		{Name: "at", Text: "at TIME [shuffled]", About: "Once, so long after the load has begun. With `shuffled` the seed draws the order of the actions.", Example: "at 1s"},
		{Name: "every", Text: "every TIME [from FROM] [until UNTIL]", About: "Again and again, first after one such time, or at `from`; until that time, or as long as the load runs at least.", Example: "every 2s until 10s"},
		{Name: "when", Text: "when OPERATIONS is/are STEP [on SERVER] [after COUNT]", About: "When one of the operations reaches the step. The operation waits until the actions are done. `on` is the server that the step is about; `after` lets so many such moments pass.", Example: `when a|b is "cut" on dbserver-2`, Needs: []string{Holds}},
		{Name: "when some", Text: "when OPERATIONS is/are some step [from FIRST] [before LAST] [on SERVER]", About: "The same for a step that the seed chooses: seeds that follow each other take the steps in turn. They are those of an operation that nothing disturbs.", Example: `when a is some step before "committed"`, Needs: []string{Holds}},
		{Name: "when event", Text: "when STEP [on SERVER] [after COUNT]", About: "The same for a step of any operation, and for what servers and the supervision do.", Example: `when "leader changed"`, Needs: []string{Holds}},
		{Name: "after", Text: "after OPERATIONS [fails/fail] [succeeds/succeed] [shuffled]", About: "When the operations have ended; with `fails` or `succeeds` only if all of them ended so.", Example: "after both"},
		{Name: "later", Text: "TIME after OPERATIONS [fails/fail] [succeeds/succeed] [shuffled]", About: "The same, so much later.", Example: "5s after a"},
	}
}

// Actions are the verbs of `do`.
func Actions() []Form {
	return append(append(operations(), faults()...), administration()...)
}

// forSome ends a fault by itself.
const forSome = " [for TIME]"

const onIt = " [on COORDINATOR] [as LABEL]"

func operations() []Form {
	return []Form{
		{Name: "backup", Text: "backup NAME" + onIt + " [in MODE] [force] [timeout TIME] [deadline DEADLINE]", About: "Begins a backup; the step does not wait for it. `in` is its lock mode, if the run names none; without it that of the servers. `timeout` bounds the lock phase, `force` goes on for another timeout.", Example: "backup a on coordinator-1 timeout 30s"},
		{Name: "restore", Text: "restore NAME" + onIt + " [timeout TIME]", About: "Begins to restore a backup of this run. The load stands still meanwhile.", Example: "restore a on coordinator-2"},
		{Name: "delete", Text: "delete NAME" + onIt, About: "Begins to delete a backup of this run.", Example: "delete a"},
		{Name: "verify", Text: "verify NAME" + onIt, About: "Has all DB servers read their pieces again.", Example: "verify a"},
		{Name: "upload", Text: "upload NAME" + onIt + " to REMOTE", About: "Begins an upload; the operation ends with the transfer.", Example: "upload a on coordinator-1 to lab:backups", Needs: []string{Remotes}},
		{Name: "download", Text: "download NAME" + onIt + " from REMOTE", About: "Begins a download; the operation ends with the transfer.", Example: "download a from lab:backups", Needs: []string{Remotes}},
		{Name: "wait", Text: "wait TIME", About: "The actions of this step that follow come so much later. In a step of `when` the operation waits too.", Example: "wait 30s"},
		{Name: "wait up to", Text: "wait up to TIME", About: "The same for a time that the seed draws.", Example: "wait up to 2s"},
		{Name: "hold", Text: "hold OPERATIONS at STEP [on SERVER]", About: "From now on the operation stops when it reaches the step, until it is released, for a minute at most.", Example: `hold a at "committing"`, Needs: []string{Holds}, Fault: true},
		{Name: "release", Text: "release OPERATIONS", About: "Lets the operation go on that is held.", Example: "release a", Needs: []string{Holds}},
	}
}

func faults() []Form {
	return slices.Concat(network(), messages(), servers(), disks(), remotes())
}

func network() []Form {
	links := []string{LinkFaults}
	return []Form{
		{Name: "cut", Text: "cut A -> B" + forSome, About: "Nothing that A sends arrives at B until it is healed, or for a time. The other direction works.", Example: "cut agent-1 -> agent-2", Needs: links, Fault: true},
		{Name: "cut both", Text: "cut A <-> B" + forSome, About: "Cuts both directions.", Example: "cut its coordinator <-> dbserver-2", Needs: links, Fault: true},
		{Name: "delay", Text: "delay A -> B by TIME", About: "What A sends arrives at B so much later. Latency stays beside it.", Example: "delay dbserver-1 -> coordinator-1 by 50ms", Needs: links, Fault: true},
		{Name: "delay both", Text: "delay A <-> B by TIME", About: "Delays both directions.", Example: "delay client <-> coordinator-1 by 20ms", Needs: links, Fault: true},
		{Name: "throttle", Text: "throttle A -> B to AMOUNT", About: "Limits the link to so many bytes a second.", Example: "throttle dbserver-1 -> dbserver-2 to 64KiB", Needs: links, Fault: true},
		{Name: "drop", Text: "drop A -> B", About: "Loses for good what is on the way from A to B on the connections that exist now, and what they will carry.", Example: "drop dbserver-1 -> coordinator-1", Needs: links, Fault: true},
		{Name: "reset", Text: "reset A <-> B", About: "Breaks all connections between A and B.", Example: "reset coordinator-1 <-> dbserver-2", Needs: links, Fault: true},
		{Name: "isolate", Text: "isolate A" + forSome, About: "Cuts a server off from all others.", Example: "isolate its coordinator", Needs: links, Fault: true},
		{Name: "rejoin", Text: "rejoin A", About: "Takes `isolate` back.", Example: "rejoin its coordinator", Needs: links},
		{Name: "freeze", Text: "freeze A" + forSome, About: "The server neither sends nor receives any more; others' bytes go into its buffers.", Example: "freeze dbserver-2", Needs: links, Fault: true},
		{Name: "thaw", Text: "thaw A", About: "Takes `freeze` back.", Example: "thaw dbserver-2", Needs: links},
		{Name: "heal link", Text: "heal A -> B", About: "Takes back what was done to this direction of a link.", Example: "heal agent-1 -> agent-2", Needs: links},
		{Name: "heal both", Text: "heal A <-> B", About: "Takes back what was done to both directions.", Example: "heal agent-1 <-> agent-2", Needs: links},
		{Name: "heal", Text: "heal", About: "Takes back every fault of the network, of messages, of disks and of the remote, and resumes what is paused. It starts nothing that was killed and releases no operation.", Example: "heal"},
	}
}

const selected = " [to PATH] [after COUNT] [TIMES times]"

func messages() []Form {
	needs := []string{Messages}
	return []Form{
		{Name: "lose", Text: "lose WHICH A -> B" + selected, About: "Loses requests that A sends to B, or the answers to requests of A that B has carried out.", Example: "lose answers coordinator-1 -> dbserver-2 to /_backup 1 times", Needs: needs, Fault: true},
		{Name: "duplicate", Text: "duplicate requests A -> B" + selected, About: "Requests of A arrive at B twice.", Example: "duplicate requests coordinator-1 -> dbserver-2", Needs: needs, Fault: true},
		{Name: "delay requests", Text: "delay requests A -> B by TIME" + selected, About: "Requests of A arrive at B so much later, each by itself.", Example: "delay requests agent-1 -> agent-2 by 1s to raft/AppendEntries", Needs: needs, Fault: true},
		{Name: "reorder", Text: "reorder requests A -> B within TIME" + selected, About: "A request waits until a later one has passed it, at most so long.", Example: "reorder requests dbserver-1 -> dbserver-2 within 100ms", Needs: needs, Fault: true},
	}
}

func servers() []Form {
	return []Form{
		{Name: "kill", Text: "kill A", About: "Ends a server as SIGKILL does. What was written is still there.", Example: "kill a leader of bank", Fault: true},
		{Name: "restart", Text: "restart A", About: "Starts a server that was killed, or stops and starts one that runs, and waits until it serves. One that cannot start while faults are there is started at the end; if nothing is broken it has to start.", Example: "restart a leader of bank", Fault: true},
		{Name: "pause", Text: "pause A" + forSome, About: "Stops a server where it is, as SIGSTOP does; with `for` it is resumed by itself.", Example: "pause its coordinator for 3s", Needs: []string{Pause}, Fault: true},
		{Name: "resume", Text: "resume A", About: "Takes `pause` back.", Example: "resume its coordinator", Needs: []string{Pause}},
		{Name: "crash", Text: "crash A [keeping PERCENT]", About: "A power cut: of what was not synced, such a part is left; without `keeping` nothing.", Example: "crash dbserver-2 keeping 50%", Needs: []string{PowerCut}, Fault: true},
		{Name: "lose disk", Text: "lose disk of A", About: "Ends a server, and its disk is empty. It stays down until it is started.", Example: "lose disk of agent-2", Needs: []string{LostDisks}, Fault: true},
		{Name: "start", Text: "start A", About: "Starts a server that is down, and does not wait until it serves: an agent with an empty disk may wait for others.", Example: "start agent-2"},
		{Name: "recover agency", Text: "recover the agency from A", About: "Makes an agent, which is down, the only member of the agency's next incarnation, as `stasis agency recover` does. Start it then, and the others with disks that were lost.", Example: "recover the agency from agent-3", Needs: []string{LostDisks}, Fault: true},
		{Name: "skew clock", Text: "skew clock of A by OFFSET", About: "The wall clock of a server is wrong by so much.", Example: "skew clock of dbserver-1 by -1h", Needs: []string{ClockSkew}, Fault: true},
	}
}

func disks() []Form {
	needs := []string{DiskFaults}
	return []Form{
		{Name: "hang disk", Text: "hang disk of A [at CALLS] [after COUNT]" + forSome, About: "Calls to the disk do not return until it is healed, or for a time; without `at` those that change something.", Example: "hang disk of dbserver-2 at syncs after 3", Needs: needs, Fault: true},
		{Name: "slow disk", Text: "slow disk of A by TIME [at CALLS] [after COUNT]", About: "Each call takes so much longer.", Example: "slow disk of dbserver-2 by 100ms at syncs", Needs: needs, Fault: true},
		{Name: "fail disk", Text: "fail disk of A [at CALLS] [after COUNT]", About: "Calls return an error of input and output.", Example: "fail disk of dbserver-2 at links after 1", Needs: needs, Fault: true},
		{Name: "fill disk", Text: "fill disk of A [leaving AMOUNT] [after COUNT]", About: "There is no more room than that.", Example: "fill disk of dbserver-2 leaving 64KiB", Needs: needs, Fault: true},
		{Name: "tear disk", Text: "tear disk of A [at CALLS] [after COUNT]", About: "Of a write that was not synced, a crash leaves a part.", Example: "tear disk of dbserver-2 at writes", Needs: []string{TornWrites}, Fault: true},
		{Name: "heal disk", Text: "heal disk of A", About: "Takes back every fault of the disk.", Example: "heal disk of dbserver-2", Needs: needs},
	}
}

func remotes() []Form {
	needs := []string{RemoteFaults}
	return []Form{
		{Name: "hang remote", Text: "hang remote [at CALLS] [after COUNT]" + forSome, About: "Calls to the remote storage do not return until it is healed, or for a time; without `at` those that change something.", Example: "hang remote at writes for 10s", Needs: needs, Fault: true},
		{Name: "slow remote", Text: "slow remote by TIME [at CALLS] [after COUNT]", About: "Each call to it takes so much longer.", Example: "slow remote by 200ms at any", Needs: needs, Fault: true},
		{Name: "fail remote", Text: "fail remote [at CALLS] [after COUNT]", About: "Calls to it return an error.", Example: "fail remote at writes", Needs: needs, Fault: true},
		{Name: "fill remote", Text: "fill remote [leaving AMOUNT] [after COUNT]", About: "There is no more room on it than that.", Example: "fill remote leaving 64KiB", Needs: needs, Fault: true},
		{Name: "heal remote", Text: "heal remote", About: "Takes back every fault of the remote.", Example: "heal remote", Needs: needs},
	}
}

func administration() []Form {
	return []Form{
		{Name: "move shard", Text: "move a shard [of COLLECTION] from A to B", About: "Asks for the move of one shard, and does not wait for it.", Example: "move a shard of bank from dbserver-1 to dbserver-2", Fault: true},
		{Name: "clean out", Text: "clean out A", About: "Asks that everything is moved off a DB server.", Example: "clean out dbserver-3", Fault: true},
		{Name: "remove", Text: "remove A", About: "Removes a server that is dead, or a DB server that is empty, from the cluster.", Example: "remove dbserver-3", Fault: true},
		{Name: "create collection", Text: "create collection COLLECTION", About: "Creates a collection and waits for the answer, which may be that it cannot be created now.", Example: "create collection extra", Fault: true},
		{Name: "drop collection", Text: "drop collection COLLECTION", About: "Drops a collection and waits for the answer, which may be that it cannot be dropped now. The scenario has to create it.", Example: "drop collection extra", Fault: true},
	}
}
