package store

import (
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/types"
)

// orderedLog lets one call at a time change a write-ahead log. raft-wal does that with a mutex that it holds
// while it writes to the disk, and begins the next segment in a goroutine of its own. If the disk hangs, others would wait for the
// mutex, which stops the virtual time of a bubble. Here they wait for a channel, before raft-wal is called.
type orderedLog struct {
	*wal.WAL
	turn     chan struct{} // one token: the goroutine that changes the log has it
	rotation *rotation
}

func newOrderedLog(log *wal.WAL, r *rotation) *orderedLog {
	return &orderedLog{WAL: log, turn: make(chan struct{}, 1), rotation: r}
}

// begin waits until the log can be changed. The caller calls end when it has changed it.
func (l *orderedLog) begin() (end func()) {
	l.turn <- struct{}{}
	l.rotation.wait()
	return func() { <-l.turn }
}

func (l *orderedLog) StoreLog(log *raft.Log) error { return l.StoreLogs([]*raft.Log{log}) }

func (l *orderedLog) StoreLogs(logs []*raft.Log) error {
	defer l.begin()()
	return l.WAL.StoreLogs(logs)
}

func (l *orderedLog) DeleteRange(from, to uint64) error {
	defer l.begin()()
	return l.WAL.DeleteRange(from, to)
}

func (l *orderedLog) Close() error {
	defer l.begin()()
	return l.WAL.Close()
}

// rotation knows whether raft-wal begins a new segment at the moment. It is seen from what raft-wal calls: the writer of the last
// segment says that it is sealed, then the list of segments is written, and then the file of the next one is made.
type rotation struct {
	mu    sync.Mutex
	ended chan struct{} // nil: there is none; closed when it ends
}

func (r *rotation) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended == nil {
		r.ended = make(chan struct{})
	}
}

func (r *rotation) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended != nil {
		close(r.ended)
		r.ended = nil
	}
}

func (r *rotation) wait() {
	r.mu.Lock()
	ended := r.ended
	r.mu.Unlock()
	if ended != nil {
		<-ended
	}
}

// rotatedList ends a rotation that fails at the list of segments.
type rotatedList struct {
	types.MetaStore
	rotation *rotation
}

func (l rotatedList) CommitState(state types.PersistentState) error {
	err := l.MetaStore.CommitState(state)
	if err != nil {
		l.rotation.end()
	}
	return err
}

// rotatedFiles ends a rotation when the next segment is made, or cannot be made.
type rotatedFiles struct {
	types.SegmentFiler
	rotation *rotation
}

func (f rotatedFiles) Create(info types.SegmentInfo) (types.SegmentWriter, error) {
	defer f.rotation.end()
	w, err := f.SegmentFiler.Create(info)
	return f.writer(w, err)
}

func (f rotatedFiles) RecoverTail(info types.SegmentInfo) (types.SegmentWriter, error) {
	w, err := f.SegmentFiler.RecoverTail(info)
	return f.writer(w, err)
}

func (f rotatedFiles) writer(w types.SegmentWriter, err error) (types.SegmentWriter, error) {
	if err != nil {
		return nil, err
	}
	return &rotatedWriter{SegmentWriter: w, rotation: f.rotation}, nil
}

// rotatedWriter begins a rotation when its segment is sealed. raft-wal asks that after it has appended, and nowhere else.
type rotatedWriter struct {
	types.SegmentWriter
	rotation *rotation
	unsealed error // why the segment could not be sealed; its writer takes it for sealed all the same
}

func (w *rotatedWriter) Sealed() (bool, uint64, error) {
	sealed, index, err := w.SegmentWriter.Sealed()
	if sealed {
		w.rotation.begin()
	}
	return sealed, index, err
}

// ForceSeal seals the segment at its present end. If that fails, raft-wal (0.4.1) would find the segment sealed when it asks again, with an index
// that is not on the disk.
func (w *rotatedWriter) ForceSeal() (uint64, error) {
	if w.unsealed != nil {
		return 0, w.unsealed
	}
	index, err := w.SegmentWriter.ForceSeal()
	if err != nil {
		w.unsealed = fmt.Errorf("seal the last segment of Raft's log: %w", errors.Join(err, types.ErrSealed))
		return 0, w.unsealed
	}
	return index, nil
}
