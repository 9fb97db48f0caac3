package raftcall

import (
	"reflect"
	"time"

	"github.com/hashicorp/raft"
)

// Raft is Raft for the parts of an agent that wait for its futures: every future ends when Raft has
// stopped. Raft itself forgets some when it stops: those of entries that were committed and not yet
// applied, and that of a transfer of leadership that it has not begun. A wait for them would never end.
type Raft struct {
	raft *raft.Raft
	gone chan struct{}
}

// Ending makes a Raft whose futures end when gone is closed. It must not be closed before Raft has
// stopped: until then every future has an answer.
func Ending(r *raft.Raft, gone chan struct{}) Raft { return Raft{raft: r, gone: gone} }

// State is that of raft.Raft.
func (r Raft) State() raft.RaftState { return r.raft.State() }

// CurrentTerm is that of raft.Raft.
func (r Raft) CurrentTerm() uint64 { return r.raft.CurrentTerm() }

// Apply is that of raft.Raft. The error is raft.ErrRaftShutdown if Raft has stopped without an answer.
func (r Raft) Apply(entry []byte, timeout time.Duration) raft.ApplyFuture {
	return ending(r.raft.Apply(entry, timeout), r.gone)
}

// Barrier is that of raft.Raft. The error is raft.ErrRaftShutdown if Raft has stopped without an answer.
func (r Raft) Barrier(timeout time.Duration) raft.Future {
	return ending(r.raft.Barrier(timeout), r.gone)
}

// LeadershipTransfer is that of raft.Raft. The error is raft.ErrRaftShutdown if Raft has stopped without
// an answer.
func (r Raft) LeadershipTransfer() raft.Future { return ending(r.raft.LeadershipTransfer(), r.gone) }

// ending makes the wait for a future end when gone is closed. Raft's futures have a channel for that,
// which Raft sets for some of them only.
func ending[F raft.Future](future F, gone chan struct{}) F {
	v := reflect.ValueOf(future)
	if v.Kind() != reflect.Pointer {
		return future // it has its answer already
	}
	if c := v.Elem().FieldByName("ShutdownCh"); c.IsValid() && c.CanSet() && c.IsNil() {
		c.Set(reflect.ValueOf(gone))
	}
	return future
}
