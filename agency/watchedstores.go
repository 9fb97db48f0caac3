package agency

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
	"github.com/hashicorp/raft-wal/types"

	"stasis/agency/note"
)

// watch puts the watch around what Raft calls in its loop. Reading snapshots is not
// watched: it takes long without anything being wrong, and Raft's loop waits for it only
// where an agent is sent a snapshot and cannot do anything else.
func (d *disk) watch() {
	w := newDiskWatch()
	d.calls, d.dead = w, make(chan error, 1)
	dead := func(err error) {
		select {
		case d.dead <- err:
		default: // the first reason counts
		}
	}
	d.log = &cachedLog{LogStore: contiguousLog{watchedLog{d.log, w, dead}}}
	d.stable = watchedStable{d.stable, w}
	d.shots = readSnapshots{watchedSnapshots{d.shots, w}}
	d.notes = watchedNotes{d.notes, w}
}

// watchedNotes is notes whose calls are watched: before an agency is founded an agent writes
// nothing else, and would not say why the others wait for it.
type watchedNotes struct {
	note.Store
	watch *diskWatch
}

func (n watchedNotes) WriteNote(name string, data []byte) error {
	defer n.watch.begin("write "+name, len(data))()
	return n.Store.WriteNote(name, data)
}

func (n watchedNotes) RemoveNote(name string) error {
	defer n.watch.begin("remove "+name, 0)()
	return n.Store.RemoveNote(name)
}

// watchedLog is a log whose calls are watched. The ends of the log are known without
// the disk.
type watchedLog struct {
	raft.LogStore
	watch *diskWatch
	dead  func(error) // is told of a log that takes entries only when it is opened again; may be nil
}

func (l watchedLog) GetLog(index uint64, log *raft.Log) error {
	defer l.watch.begin("read Raft's log", 0)()
	return l.LogStore.GetLog(index, log)
}

func (l watchedLog) StoreLog(log *raft.Log) error { return l.StoreLogs([]*raft.Log{log}) }

func (l watchedLog) StoreLogs(logs []*raft.Log) error {
	bytes := 0
	for _, log := range logs {
		bytes += len(log.Data)
	}
	defer l.watch.begin("append to Raft's log", bytes)()
	err := l.LogStore.StoreLogs(logs)
	if errors.Is(err, types.ErrSealed) && l.dead != nil {
		l.dead(fmt.Errorf("the log of Raft takes no entry any more, since its last segment could not be followed by a new one (is the disk full?): "+
			"start the agent again, which mends that: %w", err))
	}
	return err
}

func (l watchedLog) DeleteRange(from, to uint64) error {
	defer l.watch.begin("shorten Raft's log", 0)()
	return l.LogStore.DeleteRange(from, to)
}

// watchedStable is term and vote.
type watchedStable struct {
	raft.StableStore
	watch *diskWatch
}

func (s watchedStable) Set(key, value []byte) error {
	defer s.watch.begin("write Raft's vote", 0)()
	return s.StableStore.Set(key, value)
}

func (s watchedStable) SetUint64(key []byte, value uint64) error {
	defer s.watch.begin("write Raft's term", 0)()
	return s.StableStore.SetUint64(key, value)
}

func (s watchedStable) Get(key []byte) ([]byte, error) {
	defer s.watch.begin("read Raft's vote", 0)()
	return s.StableStore.Get(key)
}

func (s watchedStable) GetUint64(key []byte) (uint64, error) {
	defer s.watch.begin("read Raft's term", 0)()
	return s.StableStore.GetUint64(key)
}

// watchedSnapshots is snapshots whose writing is watched, where Raft's loop does it: when
// another agent sends one.
type watchedSnapshots struct {
	raft.SnapshotStore
	watch *diskWatch
}

func (s watchedSnapshots) Create(version raft.SnapshotVersion, index, term uint64, members raft.Configuration, membersIndex uint64, t raft.Transport) (raft.SnapshotSink, error) {
	defer s.watch.begin("begin a snapshot", 0)()
	sink, err := s.SnapshotStore.Create(version, index, term, members, membersIndex, t)
	if err != nil {
		return nil, err
	}
	return &watchedSink{SnapshotSink: sink, watch: s.watch}, nil
}

// watchedSink is a snapshot that is being received.
type watchedSink struct {
	raft.SnapshotSink
	watch *diskWatch
	bytes int // that closing has to bring to the disk
}

func (s *watchedSink) Write(p []byte) (int, error) {
	defer s.watch.begin("write a snapshot", len(p))()
	s.bytes += len(p)
	return s.SnapshotSink.Write(p)
}

func (s *watchedSink) Close() error {
	defer s.watch.begin("publish a snapshot", s.bytes)()
	return s.SnapshotSink.Close()
}

// unwatched is the sink of a snapshot of this agent's own, which is written beside
// Raft's loop: it may take its time.
func unwatched(sink raft.SnapshotSink) raft.SnapshotSink {
	if r, ok := sink.(*readSink); ok {
		r.own = true // Raft closes it, too
		sink = r.SnapshotSink
	}
	if w, ok := sink.(*watchedSink); ok {
		return w.SnapshotSink
	}
	return sink
}
