package check

import (
	"stasis/client"
	"stasis/event"
	"stasis/lab/history"
	"stasis/lab/verdict"
	"stasis/lab/workload"
)

// The names of the checks, as a violation has them.
const (
	checkPieces      = "pieces"
	checkCertificate = "certificate"
	checkPlan        = "Plan"
	checkReplicas    = verdict.CheckReplicas
	checkInstant     = verdict.CheckInstant
	checkFrozen      = "frozen while locked"
)

// Subject is a backup that is to be judged, and what is known of it apart from its pieces.
type Subject struct {
	Created client.CreateResult
	Cut     workload.Cut // between which moments its instant has to be
	Forced  bool         // its client allows a backup that is potentially inconsistent
	Loads   []workload.Workload
	Events  []event.Event    // of the whole run
	History *history.History // of the loads; nil: writes at the cut are not counted
	Plans   *Plans           // nil: its Plan is not compared
}
