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

// violated notes what does not hold when something was waited for. If ctx has ended it is not known whether it would hold.
func (r *run) violated(ctx context.Context, check, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if ctx.Err() != nil {
		r.result.fail(fmt.Errorf("the run was ended (%w) when this was looked at: %s: %s", context.Cause(ctx), check, text))
		return
	}
	r.result.violated(check, 0, text)
}
