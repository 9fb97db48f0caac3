package runner

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"stasis/lab/verdict"
)

// Bubble makes the run in a bubble of testing/synctest. Goroutines that are left at its end are a violation: the
// bubble cannot end with them.
func (o *One) Bubble(t *testing.T) (v verdict.Verdict) {
	defer func() {
		if complaint := recover(); complaint != nil {
			v = o.left(v, fmt.Sprint(complaint))
		}
	}()
	synctest.Test(t, func(t *testing.T) { v = o.Play(t.Context()) })
	return v
}

// left is the verdict of a run whose bubble could not end.
func (o *One) left(v verdict.Verdict, complaint string) verdict.Verdict {
	all := make([]byte, 16<<20)
	var in []string
	for _, g := range strings.Split(string(all[:runtime.Stack(all, true)]), "\n\n") {
		if head, _, _ := strings.Cut(g, "\n"); strings.Contains(head, "synctest bubble") {
			in = append(in, g)
		}
	}
	o.goroutines = []byte(complaint + "\n\n" + strings.Join(in, "\n\n") + "\n")
	at := firstFrame([]byte(strings.Join(in, "\n\n")))
	if v.Outcome == "" { // the run itself did not end
		v = broken(fmt.Errorf("nothing goes on any more: %s, %d goroutines wait, the first at %s", complaint, len(in), at))
		v.Scenario, v.World, v.Seed = o.Job.Scenario, string(o.Job.World), o.Job.Seed
		return v
	}
	return violated(v, verdict.Violation{Check: "nothing left", Text: fmt.Sprintf("%d goroutines are left after the cluster was stopped, the first at %s", len(in), at)})
}
