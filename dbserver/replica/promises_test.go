package replica

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/dbserver/client"
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
			_, err := r.process("A").documents(context.Background(), client.Op{Kind: client.OpInsert, Key: "k", Document: []byte(`{}`)})
			pending <- err
		})
		time.Sleep(time.Second)
		r.stop("A")
		require.Error(t, <-pending)
		g := gate.New(nil)
		_, err := g.Lock(t.Context(), "backup", time.Second, time.Hour)
		require.NoError(t, err)
		r.setUp = func(l *Leader) { l.server.Enter = g.Enter }
		r.wire.plays(nil)
		a := r.start("A")
		require.Greater(t, a.shard.Seq(), a.shard.State().Committed, "it has nothing to recover")
		seen := func() bool {
			got, err := a.shard.Documents(t.Context(), client.DocumentsRequest{Collection: "c", Ops: []client.Op{{Kind: client.OpRead, Key: "k"}}})
			require.NoError(t, err)
			return got[0].Error == nil
		}
		r.eventually("its first report is written", func() bool { return r.report().Reboots["A"] == a.reboot })
		time.Sleep(10 * time.Second)
		require.False(t, seen(), "a record becomes visible while a backup holds the gate")
		require.True(t, g.Release("backup").Unbroken)
		r.inSync("A", "B")
		r.eventually("the record is there", seen)
		r.alike("A", "B")
	}, "A", "B")
}
