package scenario

// Expectations are the entries of `expect`.
func Expectations() []Form {
	return []Form{
		{Name: "exactly one", Text: "exactly one of OPERATIONS", About: "One of the operations succeeds, the others fail.", Example: "exactly one of a b"},
		{Name: "at least one", Text: "at least one of OPERATIONS", About: "One of the operations succeeds, or several.", Example: "at least one of a b"},
		{Name: "all", Text: "all of OPERATIONS", About: "All operations succeed.", Example: "all of a b"},
		{Name: "none", Text: "none of OPERATIONS", About: "All operations fail.", Example: "none of a b"},
		{Name: "fails", Text: "OPERATIONS fails/fail [with TEXT] [within TIME]", About: "Each of the operations fails: with an error that has this text or number, within that time from its beginning.", Example: `a fails with "disk" within 30s`},
		{Name: "succeeds", Text: "OPERATIONS succeeds/succeed [within TIME]", About: "Each of the operations succeeds, within that time from its beginning.", Example: "a succeeds within 30s"},
		{Name: "commits", Text: "at least COUNT commits straddle cuts", About: "So many writes of the load, in transactions their commits, are in flight while the gates of the scenario's own backups are asked for or held. If there are fewer the run is vacuous: its cuts had too little to tear.", Example: "at least 100 commits straddle cuts"},
		{Name: "listed", Text: "OPERATIONS is/are listed", About: "The backup of each of the operations is listed when everything has healed, and complete, whatever its coordinator could answer.", Example: "a is listed"},
		{Name: "not listed", Text: "OPERATIONS is/are not listed", About: "No backup of these operations is listed when everything has healed.", Example: "a is not listed"},
		{Name: "holds gates", Text: "OPERATIONS holds/hold the gates at most TIME", About: "From the last grant to the first release.", Example: "a holds the gates at most 1s"},
		{Name: "one instant", Text: "one instant", About: "Every backup of the run is one instant. It always has to hold; written down, it makes a run vacuous in which none of the scenario's own backups was judged.", Example: "one instant"},
		{Name: "nothing left", Text: "nothing left within TIME", About: "So soon after everything has healed, no lock, closed gate, pending piece or staged engine is left.", Example: "nothing left within 20s"},
		{Name: "longest", Text: "longest ROLE < TIME", About: "No write (or read) of the load takes longer, whatever becomes of it.", Example: "longest write < 8s"},
		{Name: "serves", Text: "serves within TIME", About: "So soon after everything has healed, each coordinator stores a document, and a new backup succeeds.", Example: "serves within 60s"},
		{Name: "frozen", Text: "frozen until STEP", About: "From the agency lock of each backup to that step, or to the end of the lock if that comes first, Plan has no other leader, replica or server. At least one backup of the scenario reaches the step while Plan is frozen for it.", Example: `frozen until "Plan thawed"`},
		{Name: "leader changes", Text: "leader changes after STEP [within TIME]", About: "A shard gets another leader after that step, and not before, within that time.", Example: `leader changes after "undone" within 5s`},
		{Name: "nothing lost", Text: "nothing lost", About: "No acknowledged write is lost. It always has to hold; written down, it needs at least one acknowledged write.", Example: "nothing lost"},
		{Name: "restored", Text: "restored NAME within TIME", About: "At the end the backup is restored, within that time.", Example: "restored a within 30s"},
		{Name: "happens", Text: "STEP happens [on SERVER]", About: "The step is reached in the run.", Example: `"gate expired" happens`},
		{Name: "never", Text: "STEP never happens [on SERVER]", About: "The step is not reached in the run.", Example: `"gate expired" never happens`},
	}
}
