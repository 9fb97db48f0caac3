package raftcall

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"stasis/agency/fence"
	"stasis/internal/bubbles"
)

// slow is a state machine that applies nothing until it is released.
type slow struct{ released chan struct{} }

func (s slow) Apply(*raft.Log) any {
	<-s.released
	return nil
}

func (slow) Snapshot() (raft.FSMSnapshot, error) { return nil, raft.ErrNothingNewToSnapshot }
func (slow) Restore(io.ReadCloser) error         { return nil }

// aloneOn starts a Raft that leads itself.
func aloneOn(t *testing.T, machine raft.FSM) *raft.Raft {
	t.Helper()
	address, transport := raft.NewInmemTransport("")
	logs, config, leads := raft.NewInmemStore(), raft.DefaultConfig(), make(chan bool, 2)
	config.LocalID, config.Logger, config.NotifyCh = "a", hclog.NewNullLogger(), leads
	members := raft.Configuration{Servers: []raft.Server{{ID: "a", Address: address}}}
	require.NoError(t, raft.BootstrapCluster(config, logs, logs, raft.NewDiscardSnapshotStore(), transport, members))
	r, err := raft.NewRaft(config, machine, logs, logs, raft.NewDiscardSnapshotStore(), transport)
	require.NoError(t, err)
	require.True(t, <-leads)
	return r
}

// TestFuturesEndWithRaft: entries are committed and wait for the state machine when Raft stops. Raft
// answers some of their futures and forgets the others; all of them end.
func TestFuturesEndWithRaft(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		machine, gone := slow{make(chan struct{})}, make(chan struct{})
		inner := aloneOn(t, machine)
		r := Ending(inner, gone)
		w := New(t.Context(), fence.New(), time.Hour, gone)
		var futures []raft.Future
		for range 40 { // each is applied by chance: Raft does not forget none of them
			futures = append(futures, r.Apply([]byte("x"), 0))
			synctest.Wait() // it is committed by itself
		}
		futures = append(futures, r.Barrier(0))
		added := make(chan error, 1)
		go func() {
			added <- w.Await(t.Context(), func() raft.Future { return inner.AddNonvoter("b", "b:1", 0, 0) })
		}()
		synctest.Wait()
		stopped := inner.Shutdown()
		close(machine.released)
		require.NoError(t, stopped.Error())
		close(gone)
		forgotten := 0
		for _, f := range futures {
			if err := f.Error(); err != nil {
				require.ErrorIs(t, err, raft.ErrRaftShutdown)
				forgotten++
			}
		}
		require.Positive(t, forgotten, "Raft has applied everything")
		w.Close()
		<-added // it took effect or not
	})
}
