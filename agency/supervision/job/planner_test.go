package job

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/event"
	"stasis/fsm"
)

// checkDisk is a kind of job that Stasis does not have: it needs a server to itself for one step.
type checkDisk struct{}

func (checkDisk) begin(p *pass, j facts.Job) {
	server := j.Record.Server
	if by := p.facts.ServerLockedBy(server); by != "" {
		p.wait(j, "job "+by+" has the lock of "+server)
		return
	}
	tx := p.out.start(j, keys.ServerLocks+"/"+server, nil)
	p.out.decideOn(j, Decision{Tx: tx, Step: event.JobStarted, Detail: "checkDisk of " + server})
}

func (checkDisk) proceed(p *pass, j facts.Job) {
	if j.Record.Abort {
		p.windDown(j, aborted(j))
		return
	}
	p.out.finish(j, "the disk answers")
}

func (checkDisk) undo(_ *pass, j facts.Job, tx *agencyclient.Tx) []string {
	tx.Ops["/checked/"+j.Record.Server] = agencyclient.Delete()
	return []string{"the check is taken back"}
}

// plannerWithCheck is plannerOf with one more row.
func plannerWithCheck(kind string) planner {
	if kind == "checkDisk" {
		return checkDisk{}
	}
	return plannerOf(kind)
}

// A kind of job is a planner and a row in the table: queues, locks, waits, ends and undo come
// with the pass.
func TestKindOfJobIsAPlannerAndARow(t *testing.T) {
	machine, memory := fsm.New(10), NewMemory(nil)
	apply := func(tx agencyclient.Tx) bool {
		raw, err := tx.Encode("")
		require.NoError(t, err)
		parsed, err := fsm.ParseTransaction(raw)
		require.NoError(t, err)
		return machine.Apply(1, fsm.Command{Time: 1, Transactions: []fsm.Transaction{parsed}})[0].Index > 0
	}
	root := func() *fsm.Node { return machine.State().Root() }
	pass := func() (told []string) {
		for _, d := range newPass(root(), memory, time.Now(), Timeouts{}, plannerWithCheck).run() {
			if apply(d.Tx) {
				told = append(told, string(d.Step)+" "+d.Job+": "+d.Detail)
			}
		}
		return told
	}
	record := keys.Job{Type: "checkDisk", Server: "PRMR-1"}
	require.True(t, apply(agencyclient.Tx{Ops: map[string]any{keys.TargetToDo + "/7": record, keys.TargetToDo + "/8": record}}))
	require.Equal(t, []string{"job started 7: checkDisk of PRMR-1"}, pass(), "the lock is taken once")
	require.Equal(t, "7", root().At(keys.ServerLocks+"/PRMR-1").Text())
	require.Equal(t, []string{"job finished 7: checkDisk: the disk answers", "job waits 8: checkDisk: job 7 has the lock of PRMR-1"}, pass())
	require.Equal(t, []string{"job started 8: checkDisk of PRMR-1"}, pass())
	require.True(t, apply(agencyclient.Tx{Ops: map[string]any{keys.TargetPending + "/8/abort": true}}))
	require.Equal(t, []string{"job failed 8: checkDisk: it was aborted; the check is taken back"}, pass())
	require.Zero(t, root().At(keys.ServerLocks).Len())
	require.Empty(t, pass())
}
