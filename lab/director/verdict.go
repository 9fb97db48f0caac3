package director

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"stasis/lab/verdict"
	"stasis/lab/world"
)

// verdict is what the run showed.
func (r *run) verdict() verdict.Verdict {
	faults, vacuous := r.stage.faults.list()
	res := &r.result
	res.mu.Lock()
	defer res.mu.Unlock()
	vacuous = append(vacuous, res.vacuous...)
	v := verdict.Verdict{
		Scenario: r.scenario.Name, World: string(r.world.Kind()), Violations: res.found, Faults: faults, Backups: res.backups,
		Operations: r.history.Tally().Begun, Trace: r.trace(), Notes: res.notes,
	}
	own := r.stage.operations.successful()
	v.Straddling, v.AtCuts = straddling(r, own...), atCuts(r, own...)
	few, note := fewStraddle(r, len(own), v.Straddling, v.AtCuts)
	vacuous, v.Notes = append(vacuous, few...), append(v.Notes, note...)
	switch {
	case res.broken != nil:
		v.Outcome, v.Reason = verdict.Broken, res.broken.Error()
		if n := len(v.Violations); n > 0 {
			v.Reason += fmt.Sprintf("; and %d violations were found", n)
		}
	case len(v.Violations) > 0:
		v.Outcome = verdict.Violated
	case len(vacuous) > 0:
		v.Outcome, v.Reason = verdict.Vacuous, strings.Join(vacuous, "; ")
	default:
		v.Outcome = verdict.Passed
	}
	return v
}

// trace is the hash of all events in order. Servers have their names in it, because their ids differ from run to run,
// and times count from the first event.
func (r *run) trace() string {
	all := r.events.list()
	names := map[string]string{}
	for _, n := range r.world.Nodes() {
		names[n.ID] = n.Name
	}
	h := sha256.New()
	for _, e := range all {
		server := names[e.Server]
		if server == "" {
			server = world.NameOf(r.world, e.Server)
		}
		_, label, _ := strings.Cut(e.ID, "_")
		fmt.Fprintf(h, "%d %s %s %s %s %d\n", e.At.Sub(all[0].At), e.Operation, label, e.Step, server, e.Attempt)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
