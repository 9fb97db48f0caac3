package main

// mutant is a safety line, and the test that needs it.
type mutant struct {
	name     string // of failpoint.Off
	room     string // the folder of the test
	test     string // TestName or TestName/subtest
	says     string // what the failing assertion says
	protects string
}

// mutants is the list, by folder: a part of it needs few test binaries.
var mutants = []mutant{
	{"create-requires-lock", "coordinator/backup", "TestLockLostAtTheCommit", "it is committed without its lock",
		"a backup is committed only if its lock was never lost: Plan was frozen all the time"},
	{"lock-is-its-value", "coordinator/backup", "TestLockLostAtTheCommit", "it is committed without its lock",
		"the lock, which freezes Plan, is there, and not only the record of its holder"},
	{"lock-is-ours", "coordinator/backup", "TestLockLostAtTheCommit", "it is committed without its lock",
		"a lock of the same value is another's"},

	{"lease-after-documents", "dbserver", "TestDocumentsAnsweredAfterTheLease", "without the lease",
		"what was read is this server's to show when it is shown"},
	{"lease-after-looking", "dbserver", "TestLookingEndsWithTheLease", "it shows what was stored without the lease",
		"the same for scans, counts and checksums"},
	{"lease-awaits-followed", "dbserver", "TestLeaseWaitsForTheWatch", "it leads by an old Plan",
		"who takes the lease anew knows what was decided in the time without"},
	{"lease-from-sending", "dbserver", "TestLeaseCountsFromTheSending", "the lease lasts longer than",
		"the lease ends before the supervision may name another leader"},
	{"staged-by-agency", "dbserver", "TestStagedUnderALockThatIsNotSeen", "a restore is removed that holds the lock",
		"what a restore has staged is removed by the agency's word, not by an old copy of it"},
	{"staged-is-asked-again", "dbserver", "TestStagedWhileTheEngineIsChanged", "a restore is removed that holds the lock",
		"the same while the engine is changed"},

	{"recovered-in-gate", "dbserver/replica", "TestRecoveredRecordsWaitForTheGate", "a record becomes visible while a backup holds the gate",
		"nothing becomes visible while a gate is held"},
	{"report-requires-term", "dbserver/replica", "TestReportOfAnEarlierTermIsNotWritten", "the leader of term 1 reports under term 2",
		"a deposed leader changes no in-sync set, and so acknowledges nothing"},
}
