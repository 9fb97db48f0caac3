package store

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
	"github.com/hashicorp/raft-wal/types"

	"stasis/agency/note"
)

// watchedNotes counts the writing of notes among the calls. Until an agency is founded an agent
// writes nothing else, and could not say otherwise why the others wait for it.
type watchedNotes struct {
	note.Store
	calls *Calls
}

func (n watchedNotes) WriteNote(name string, data []byte) error {
	defer n.calls.begin("write "+name, len(data))()
	return n.Store.WriteNote(name, data)
}

func (n watchedNotes) RemoveNote(name string) error {
	defer n.calls.begin("remove "+name, 0)()
	return n.Store.RemoveNote(name)
}

// watchedLog counts the calls to a log. The log's first and last index are known without the disk.
type watchedLog struct {
	raft.LogStore
	calls *Calls
	state *state
}

// state is what the wrappers of one store share.
type state struct {
	broken broken
	dead   func(error) // receives why the store takes nothing until it is opened again
}

func (l watchedLog) GetLog(index uint64, log *raft.Log) error {
	defer l.calls.begin("read Raft's log", 0)()
	return l.LogStore.GetLog(index, log)
}

func (l watchedLog) StoreLog(log *raft.Log) error { return l.StoreLogs([]*raft.Log{log}) }

func (l watchedLog) StoreLogs(logs []*raft.Log) error {
	bytes := 0
	for _, log := range logs {
		bytes += len(log.Data)
	}
	defer l.calls.begin("append to Raft's log", bytes)()
	if err := l.state.broken.err(); err != nil {
		return err
	}
	return l.state.sealed(l.LogStore.StoreLogs(logs))
}

// sealed passes an error on, and reports a log that has to be opened again.
func (s *state) sealed(err error) error {
	if errors.Is(err, types.ErrSealed) {
		s.dead(fmt.Errorf("the log of Raft takes no entry any more, since its last segment could not be followed by a new one (is the disk full?): "+
			"start the agent again, which mends that: %w", err))
	}
	return err
}

func (l watchedLog) DeleteRange(from, to uint64) error {
	defer l.calls.begin("shorten Raft's log", 0)()
	if err := l.state.broken.err(); err != nil {
		return err
	}
	return l.state.sealed(l.LogStore.DeleteRange(from, to))
}

// watchedStable counts the calls to term and vote.
type watchedStable struct {
	raft.StableStore
	calls *Calls
	state *state
}

// keyTerm is Raft's name of the newest term that it knows.
const keyTerm = "CurrentTerm"

func (s watchedStable) Set(key, value []byte) error {
	defer s.calls.begin("write Raft's vote", 0)()
	if err := s.state.broken.err(); err != nil {
		return err
	}
	return s.StableStore.Set(key, value)
}

func (s watchedStable) SetUint64(key []byte, value uint64) error {
	defer s.calls.begin("write Raft's term", 0)()
	err := s.state.broken.err()
	if err == nil {
		err = s.StableStore.SetUint64(key, value)
	}
	if err != nil && string(key) == keyTerm {
		s.state.broken.set(err)
		s.state.dead(fmt.Errorf("term %d of Raft cannot be written: repair the disk, or make room on it, and start the agent again: %w", value, err))
		return nil // see broken
	}
	return err
}

func (s watchedStable) Get(key []byte) ([]byte, error) {
	defer s.calls.begin("read Raft's vote", 0)()
	return s.StableStore.Get(key)
}

func (s watchedStable) GetUint64(key []byte) (uint64, error) {
	defer s.calls.begin("read Raft's term", 0)()
	return s.StableStore.GetUint64(key)
}

// watchedSink counts the calls that write a snapshot.
type watchedSink struct {
	raft.SnapshotSink
	calls *Calls
	bytes *int // written, which closing has to bring to the disk
}

func (s watchedSink) Write(p []byte) (int, error) {
	defer s.calls.begin("write a snapshot", len(p))()
	*s.bytes += len(p)
	return s.SnapshotSink.Write(p)
}

func (s watchedSink) Close() error {
	defer s.calls.begin("publish a snapshot", *s.bytes)()
	return s.SnapshotSink.Close()
}
