// Package event has the typed events that backup, restore, transfer, replication, the agency and its
// supervision emit, one for each step. An event is emitted after the fact that it names, and before what
// follows.
//
// The package is experimental: names may change until the fault lab is finished.
//
// One stream feeds the progress display, the logs, the lock report, the metrics and the fault tests. A
// program receives it in three ways:
//
//   - From a cluster in its own process, as a [Sink]: minicluster.Seams.Steps. A Sink is called between two
//     steps, so that it can break something at a chosen one. Package fault has triggers for that.
//   - From a coordinator, over HTTP: GET /_stasis/steps answers one [Event] as a line of JSON for each, with
//     ?follow=true also for every new one.
//   - From the command line, as text: each line is [Event.String].
//
// A Sink that waits for one step of one server looks like this:
//
//	linked := make(chan event.Event, 1)
//	sink := func(ctx context.Context, e event.Event) {
//		if e.Step == event.Linked && e.Server == server {
//			linked <- e
//		}
//	}
//
// # The events
//
// A coordinator emits, as operation create:
//
//	AgencyLock [AgencyWaiting …] AgencyLocked PlanDump Prepare
//	{ LockAttempt [TransactionAborted …] (Locked Cut CutDone… GatesOpened | … LockFailed) }
//	Thawed Linking Linked… Verified Sealed Committing Committed Publishing Published…
//	or, from anywhere before Committed: Undoing [DeadTime] Undone
//
// Each DB server emits beside it, for each attempt to lock:
//
//	GateAsked (GateRefused | GateGranted [CutFixed] (GateReleased | GateExpired))
//
// The other operations:
//
//	restore      coordinator   AgencyLock AgencyLocked PlanDump Matched Staging Staged… PlanSwitching PlanSwitched Converging Restored
//	             DB servers    EngineSwapping EngineSwapped
//	delete       coordinator   Deleting (DeleteDecided PieceRemoved… Deleted | DeleteFailed | DeleteUnknown)
//	verify       coordinator   Verifying PieceVerified… VerifyEnded
//	upload,      coordinator   TransferRecorded TransferPlanned TransferAssigned… (TransferCompleted | TransferFailed | TransferCancelled)
//	download     DB servers     PieceStarted (PieceMoved | PieceFailed | PieceCancelled); the coordinator for a server that cannot
//	replication  shard leader  LeadershipTaken { FollowerCopied FollowerInSync FollowerNotInSync } (LeadershipResigned | LeadershipLost)
//	agency       agents        AgentLeads AgentLeadsNoMore
//	supervision  the leader    ServerHealthChanged, AgencyLockExpired, JobCreated, ShardLeaderChanged, …
//	dbserver     DB servers    DiskHangs DiskAnswers ShardsReopened TableDamaged
//
// No event is emitted for a single document.
//
// In JSON, names are in camelCase, times are RFC 3339, and durations are numbers of nanoseconds. Fields that
// are zero are left out, but for at, operation, id and step.
package event
