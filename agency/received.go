package agency

import (
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	"stasis/agency/validation"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// refuses says that a snapshot is not taken, for what its reading came to.
func refuses(err error) bool { return err != nil && !failpoint.Off("snapshot-is-read-on-arrival") }

// readSnapshots is snapshots of which those that another agent sends are read before they
// count: once it is published a snapshot stands for the log, which is dropped.
type readSnapshots struct{ raft.SnapshotStore }

func (s readSnapshots) Create(version raft.SnapshotVersion, index, term uint64, members raft.Configuration, membersIndex uint64, t raft.Transport) (raft.SnapshotSink, error) {
	sink, err := s.SnapshotStore.Create(version, index, term, members, membersIndex, t)
	if err != nil {
		return nil, err
	}
	return &readSink{SnapshotSink: sink}, nil
}

// readSink reads what is written to it, beside the writing. Its methods have one caller at a time.
type readSink struct {
	raft.SnapshotSink
	own  bool           // it is this agent's, and not written here
	to   *io.PipeWriter // nil: nothing has been written yet
	read chan error     // what came of the reading
}

func (s *readSink) begin() {
	if s.to != nil {
		return
	}
	from, to := io.Pipe()
	s.to, s.read = to, make(chan error, 1)
	go func() { // ends with the pipe, which Close and Cancel end
		_, err := fsm.ReadState(from)
		_ = from.CloseWithError(err) // who writes on is told why in vain; it never fails
		s.read <- err
	}()
}

func (s *readSink) Write(p []byte) (int, error) {
	s.begin()
	if _, err := s.to.Write(p); refuses(err) {
		return 0, fmt.Errorf("a snapshot that another agent sends cannot be read: %w: %w", err, validation.ErrRefused)
	}
	return s.SnapshotSink.Write(p)
}

// Close publishes a snapshot that could be read, and drops any other.
func (s *readSink) Close() error {
	if s.own {
		return s.SnapshotSink.Close()
	}
	s.begin()
	_ = s.to.Close() // never fails
	if err := <-s.read; refuses(err) {
		return errors.Join(fmt.Errorf("a snapshot that another agent sends cannot be read: %w: %w", err, validation.ErrRefused), s.SnapshotSink.Cancel())
	}
	return s.SnapshotSink.Close()
}

// Cancel drops the snapshot.
func (s *readSink) Cancel() error {
	if s.to != nil {
		_ = s.to.CloseWithError(io.ErrUnexpectedEOF) // never fails
		<-s.read
	}
	return s.SnapshotSink.Cancel()
}
