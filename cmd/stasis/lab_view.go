package main

import (
	"fmt"
	"io"
	"strings"

	"stasis/lab"
	"stasis/lab/runner"
	"stasis/lab/verdict"
)

// labView shows runs to people or programs.
type labView struct {
	out, errOut io.Writer
	json        bool
	runs        int // that are to be made
	made        int
}

// listen shows what happens while it does: of a single run each step, of several each run.
func (v *labView) listen(o *lab.Options) {
	switch {
	case v.json:
	case v.runs == 1:
		o.Log = func(line string) { fmt.Fprintln(v.out, line) }
	default:
		o.Done = v.done
	}
}

func (v *labView) done(r runner.Result) {
	v.made++
	fmt.Fprintf(v.out, "%*d/%d  %s\n", len(fmt.Sprint(v.runs)), v.made, v.runs, r.Line())
	for _, line := range r.Details() {
		fmt.Fprintln(v.out, "      "+line)
	}
}

// show shows what there is at the end.
func (v *labView) show(r lab.Report) error {
	switch {
	case v.json:
		return printJSON(v.out, r)
	case len(r.Results) == 0:
		return nil
	case v.runs == 1:
		_, err := fmt.Fprintln(v.out, r.Results[0].Report())
		return err
	}
	return r.Summary.Write(v.out)
}

// judge turns the report into an exit status.
func (v *labView) judge(r lab.Report, allow, allowSome bool) error {
	s := r.Summary
	for _, p := range s.Power {
		if p.Shows() != runner.Shown {
			fmt.Fprintf(v.errOut, "stasis: THE POWER IS %s: %s has to break over %.0f %% of runs without locks, and broke %d of %d\n",
				strings.ToUpper(string(p.Shows())), p.Scenario, 100*p.Over, p.Found, p.Of)
		}
	}
	if s.Vacuous > 0 {
		fmt.Fprintf(v.errOut, "stasis: VACUOUS: %d of %d runs show nothing: a fault missed, or too little happened\n", s.Vacuous, s.Runs-s.Unlocked)
	}
	always := s.AlwaysVacuous()
	if len(always) > 0 && v.runs > 1 {
		fmt.Fprintf(v.errOut, "stasis: each run is vacuous of: %s\n", strings.Join(always, ", "))
	}
	switch r.Outcome() {
	case verdict.Passed:
		return nil
	case verdict.Vacuous:
		if s.PowerShown() && (allow && s.Passed > 0 || allowSome && len(always) == 0) {
			return nil
		}
		return errVacuous
	}
	return errReported
}
