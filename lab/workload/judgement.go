package workload

import (
	"fmt"
)

// mostProblems is how many problems one check lists.
const mostProblems = 20

// judgement collects what a check finds.
type judgement struct {
	Findings
	cut     Cut
	instant span
	more    int
}

func newJudgement(cut Cut) *judgement {
	j := &judgement{cut: cut}
	j.instant.notBefore(bound{cut.Asked, -1, "the backup", "was asked for"})
	j.instant.notAfter(bound{cut.Returned, -1, "the backup", "had returned"})
	return j
}

func (j *judgement) problem(format string, args ...any) {
	if len(j.Problems) == mostProblems {
		j.more++
		return
	}
	j.Problems = append(j.Problems, fmt.Sprintf(format, args...))
}

// place adds what one document says about the instant.
func (j *judgement) place(s span) {
	asked, returned := j.cut.Asked.Order, j.cut.Returned.Order
	switch {
	case s.before.Order != 0 && s.before.Order <= asked:
		j.problem("missing: %s, before the instant could be, and is not there", s.before.text())
	case returned != 0 && s.after.Order >= returned:
		j.problem("too late: %s, after the instant could be, and is there", s.after.text())
	default:
		j.instant.within(s)
	}
}

// done compares all bounds with each other.
func (j *judgement) done() Findings {
	if j.more > 0 {
		j.Problems = append(j.Problems, fmt.Sprintf("and %d more problems", j.more))
	}
	if j.instant.empty() {
		j.Problems = append(j.Problems, j.torn())
	}
	j.Earliest, j.Latest = j.instant.after.At, j.instant.before.At
	if j.instant.before.Order == 0 {
		j.Latest = max(j.Earliest, j.cut.Returned.At)
	}
	return j.Findings
}

// torn says why there is no instant.
func (j *judgement) torn() string {
	there, lacking := j.instant.after, j.instant.before
	what := "not one instant"
	if there.process >= 0 && there.process == lacking.process {
		what = fmt.Sprintf("an effect without its cause, which process %d knew", there.process)
	}
	return fmt.Sprintf("%s: %s and is there, %s and is not", what, there.text(), lacking.text())
}
