// Package check judges runs: each backup by its own pieces, and the running cluster.
//
// (contract; the owner of this package replaces this file)
package check

import (
	"context"

	"stasis/client"
	"stasis/event"
	"stasis/lab/reader"
	"stasis/lab/verdict"
	"stasis/lab/workload"
)

// Backup judges one backup by the pieces alone: the workloads' invariants at the cut, replicas equal up to
// their stated positions, Plan equal to the Plan at the certificate's index, and the certificate. It fills
// in what can be measured.
func Backup(ctx context.Context, r *reader.Reader, result client.CreateResult, cut workload.Cut, loads []workload.Workload, events []event.Event) (verdict.Backup, []verdict.Violation, error) {
	panic("contract")
}

// Frozen judges the events of a run: while Plan was frozen nothing in the structure changed (no leader, no move, no
// removal), and what waited was done afterwards.
func Frozen(events []event.Event) []verdict.Violation { panic("contract") }
