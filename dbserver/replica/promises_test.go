package replica

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/gate"
)

// A leader that does not know yet that its term is over reports what it sees, and Plan has
// the servers that it had, in a later term: the supervision goes by the report that it
// has read, so none of an earlier term may replace it.
func TestReportOfAnEarlierTermIsNotWritten(t *testing.T) {
	inBubble(t, func(t *testing.T, r *room) {
		before := r.report()
		r.process("A").door.hold(true)
		r.plan(2, "A", "B")
		r.wire.plays(func(m message) fate { return fate{lost: m.to == "B"} })
		time.Sleep(10 * time.Second) // it has long given B up
		require.EqualValues(t, 1, r.process("A").leads().Tenure().Term)
		require.Equal(t, before, r.report(), "the leader of term 1 reports under term 2")
		r.wire.plays(nil)
		r.process("A").door.hold(false)
		r.eventually("it leads in term 2", func() bool { return r.report().Term == 2 })
		r.inSync("A", "B")
	}, "A", "B")
}

// What a new leader finds in its log becomes visible with its first report. A backup may
// hold the gate at that moment, and its cut be made already: so it waits for the gate.
func TestRecoveredRecordsWaitForTheGate(t *testing.T) {
	inBubble(t, func(t *testing.T, r *room) {
		r.wire.plays(func(m message) fate { return fate{lost: m.to == "B" && m.kind == "accept"} })
		pending := make(chan error, 1)
		r.group.Go(func() {
			_, err := r.process("A").documents(context.Background(), dbclient.Op{Kind: dbclient.OpInsert, Key: "k", Document: []byte(`{}`)})
			pending <- err
		})
		time.Sleep(time.Second)
		r.stop("A")
		require.Error(t, <-pending)
		g := gate.New(nil)
		lock, err := g.Lock(gate.Claim{Nonce: "backup", Attempt: 1, Window: time.Second, Lease: time.Hour})
		require.NoError(t, err)
		<-lock.Granted()
		r.setUp = func(l *Leader) { l.server.Enter = g.Enter }
		r.wire.plays(nil)
		a := r.start("A")
		require.Greater(t, a.shard.Seq(), a.shard.State().Committed, "it has nothing to recover")
		seen := func() bool {
			got, err := a.shard.Documents(t.Context(), dbclient.DocumentsRequest{Collection: "c", Ops: []dbclient.Op{{Kind: dbclient.OpRead, Key: "k"}}})
			require.NoError(t, err)
			return got[0].Error == nil
		}
		r.eventually("its first report is written", func() bool { return r.report().Reboots["A"] == a.reboot })
		time.Sleep(10 * time.Second)
		require.False(t, seen(), "a record becomes visible while a backup holds the gate")
		require.True(t, g.Release("backup", 1).Unbroken)
		r.inSync("A", "B")
		r.eventually("the record is there", seen)
		r.alike("A", "B")
	}, "A", "B")
}

// A report of a process that has been started again is not written, however late it
// comes: what that process had in its memory may be lost, and with it what the report
// says that it has.
func TestReportOfAnEarlierProcessIsNotWritten(t *testing.T) {
	inBubble(t, func(t *testing.T, r *room) {
		late := make(chan agencyclient.Tx, 1)
		r.process("A").door.answerWrites(func(_ context.Context, tx agencyclient.Tx) (uint64, error) {
			if _, ok := newReport(r.t, tx); ok {
				select {
				case late <- tx:
				default:
				}
			}
			return 0, agencyclient.ErrUnavailable
		})
		r.stop("B")
		tx := <-late
		r.stop("A")
		r.write(map[string]any{keys.ServerKnown("A") + "/rebootId": agencyclient.Increment(1)}) // as it does before it says anything
		_, err := r.agency.Apply(tx)
		require.ErrorIs(t, err, agencyclient.ErrPrecondition, "a process reports that is no more")
		r.start("A")
		r.start("B")
		r.inSync("A", "B")
	}, "A", "B")
}

// A leader that was started again may lack the last of what it has acknowledged. It leads
// nothing before it has heard a replica that surely has it.
func TestLeaderThatForgotWaitsForWhoHasNot(t *testing.T) {
	inBubble(t, func(t *testing.T, r *room) {
		time.Sleep(time.Second)
		require.NoError(t, r.put("A", docs("acked", 1)))
		r.crash("A", 0, 0)
		r.wire.plays(func(m message) fate { return fate{lost: m.to == "B"} })
		a := r.start("A")
		require.Less(t, a.shard.Seq(), r.process("B").shard.Seq(), "it has not forgotten anything")
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			require.Error(t, a.leads().Serving(), "it leads without what it has acknowledged")
		}
		r.wire.plays(nil)
		r.inSync("A", "B")
		require.NoError(t, r.everywhere([]string{"acked0000"}))
		r.alike("A", "B")
	}, "A", "B")
}

// A follower that has been started again has what it says, not what the process before
// had: until it has been caught up, the report does not trust it.
func TestFollowerThatForgotIsNotTrusted(t *testing.T) {
	inBubble(t, func(t *testing.T, r *room) {
		time.Sleep(time.Second)
		require.NoError(t, r.put("A", docs("acked", 1)))
		r.crash("B", 0, 0)
		r.wire.plays(func(m message) fate { return fate{lost: m.to == "B" && m.kind == "accept"} })
		b := r.start("B")
		require.Less(t, b.shard.Seq(), r.process("A").shard.Seq(), "it has not forgotten anything")
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			require.NotEqual(t, b.reboot, r.report().Reboots["B"], "it counts as having what it has forgotten")
		}
		r.wire.plays(nil)
		r.inSync("A", "B")
		r.alike("A", "B")
	}, "A", "B")
}
