package store

import (
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	"stasis/agency/validation"
	"stasis/fsm"
)

// snapshots takes a snapshot as one that another agent sends, until Own says that it is this
// agent's: Raft does not tell.
//
// A received snapshot is written by Raft's loop, so its calls are watched. And it is read before
// it counts: as soon as it is published it stands for the log, and the log is dropped. Reading a
// snapshot is not watched. It takes long without anything being wrong, and Raft's loop waits for
// it only while it can do nothing else.
type snapshots struct {
	raft.SnapshotStore
	calls *Calls
}

// Create begins a snapshot. Its parameters are those of raft.SnapshotStore.
func (s snapshots) Create(version raft.SnapshotVersion, index, term uint64, members raft.Configuration, membersIndex uint64, t raft.Transport) (raft.SnapshotSink, error) {
	defer s.calls.begin("begin a snapshot", 0)()
	sink, err := s.SnapshotStore.Create(version, index, term, members, membersIndex, t)
	if err != nil {
		return nil, err
	}
	return &received{SnapshotSink: watchedSink{SnapshotSink: sink, calls: s.calls, bytes: new(int)}, file: sink}, nil
}

// Own says that the sink is for a snapshot of this agent's own tree, and returns the sink to write
// to. Such a snapshot is written beside Raft's loop and may take its time, and it needs no reading.
// Raft closes the sink that it passed on, too, which then does no more than close the file.
func Own(sink raft.SnapshotSink) raft.SnapshotSink {
	if r, ok := sink.(*received); ok {
		r.own = true
		return r.file
	}
	return sink
}

// received reads what is written to it while it is written. Its methods have one caller at a time.
type received struct {
	raft.SnapshotSink
	file raft.SnapshotSink // without the watch

	own    bool           // it is this agent's, and not written here
	reader *io.PipeWriter // to the reading; nil: nothing has been written yet
	result chan error     // of the reading
}

// read begins to read.
func (r *received) read() {
	if r.reader != nil {
		return
	}
	from, to := io.Pipe()
	r.reader, r.result = to, make(chan error, 1)
	go func() { // ends with the pipe, which Close and Cancel end
		_, err := fsm.ReadState(from)
		_ = from.CloseWithError(err) // the next Write gets err; CloseWithError never fails
		r.result <- err
	}()
}

func (r *received) Write(p []byte) (int, error) {
	r.read()
	if _, err := r.reader.Write(p); validation.RefusesSnapshot(err) {
		return 0, unreadable(err)
	}
	return r.SnapshotSink.Write(p)
}

// Close publishes a snapshot that could be read, and drops any other.
func (r *received) Close() error {
	if r.own {
		return r.SnapshotSink.Close()
	}
	r.read()
	_ = r.reader.Close() // never fails
	if err := <-r.result; validation.RefusesSnapshot(err) {
		return errors.Join(unreadable(err), r.SnapshotSink.Cancel())
	}
	return r.SnapshotSink.Close()
}

// Cancel drops the snapshot.
func (r *received) Cancel() error {
	if r.reader != nil {
		_ = r.reader.CloseWithError(io.ErrUnexpectedEOF) // never fails
		<-r.result
	}
	return r.SnapshotSink.Cancel()
}

func unreadable(err error) error {
	return fmt.Errorf("a snapshot that another agent sends cannot be read: %w: %w", err, validation.ErrRefused)
}
