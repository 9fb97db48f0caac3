// Package director plays a scenario in a world: it starts the load, does what the scenario says when it says,
// heals, lets the checkers judge, and gives the verdict.
//
// (contract; the owner of this package replaces this file)
package director

import (
	"context"

	"stasis/lab/scenario"
	"stasis/lab/verdict"
	"stasis/lab/world"
)

// Options of one run.
type Options struct {
	Seed uint64
	Log  func(line string) // progress for people; nil: none
}

// Play plays s in w, which has just been started, and does not close w.
func Play(ctx context.Context, s *scenario.Scenario, w world.World, o Options) verdict.Verdict {
	panic("contract")
}
