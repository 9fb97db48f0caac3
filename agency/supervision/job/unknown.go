package job

import (
	"fmt"

	agencyclient "stasis/agency/client"
	"stasis/agency/supervision/job/facts"
)

// oneStep is the part of a planner whose jobs are one transaction: none is ever pending, and
// none has changed anything before it ends.
type oneStep struct{}

func (oneStep) proceed(p *pass, j facts.Job) {
	p.out.fail(j, fmt.Sprintf("a job of type %q is never pending", j.Record.Type))
}

func (oneStep) undo(*pass, facts.Job, *agencyclient.Tx) []string { return nil }

// unknown is the planner of jobs of an unknown type.
type unknown struct{ oneStep }

func (unknown) begin(p *pass, j facts.Job) {
	p.out.fail(j, fmt.Sprintf("the supervision knows no job of type %q", j.Record.Type))
}
