package director

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"stasis/lab/history"
	"stasis/lab/scenario"
	"stasis/lab/workload"
	"stasis/lab/world"
)

// run is one run of a scenario.
type run struct {
	scenario *scenario.Scenario
	world    world.World
	log      func(string)
	judge    judge
	history  *history.History
	events   *events
	loads    *loads
	stage    *stage // what the steps act on
	result   result
	random   *rand.Rand // of what is judged
	seed     uint64
	begun    time.Time // when the load began
}

func (r *run) say(format string, args ...any) {
	r.log(fmt.Sprintf("%8.3fs  %s", time.Since(r.begun).Seconds(), fmt.Sprintf(format, args...)))
}

// rest is nil if nothing is left of operations.
func (r *run) rest(ctx context.Context) error {
	left, err := r.world.Left(ctx)
	if err == nil && len(left) > 0 {
		err = errors.New(strings.Join(left, "; "))
	}
	return err
}

// taken are the backups of the run that have succeeded, those of the check last.
func (r *run) taken() []*operation {
	return slices.Concat(r.stage.operations.successful(), r.result.probes)
}

// straddling counts the operations of the load that straddled the backups which are judged.
func (r *run) straddling() int {
	var cuts []workload.Cut
	for _, o := range r.taken() {
		cuts = append(cuts, o.cut)
	}
	n := 0
	for _, op := range r.history.Ops() {
		if !op.Note() && slices.ContainsFunc(cuts, func(cut workload.Cut) bool {
			return op.BeginOrder < cut.Returned.Order && (op.EndOrder == 0 || op.EndOrder > cut.Asked.Order)
		}) {
			n++
		}
	}
	return n
}
