package agency

import (
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	"stasis/agency/fence"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// What another agent sends is read before Raft sees it. Raft stores entries as they come, and
// finds out that it cannot read one when it is committed: in the tree, where the agent has to
// stop, or in a panic of its own (a membership that does not decode, a kind of entry
// that it does not know, a gap). Either way the entry is on disk and stops every later start. A
// check in the log store would be too late: Raft has deleted what the entries replace by then.

var errUnreadable = errors.New("it is refused, and nothing of it is kept")

// arrivals checks what arrives.
type arrivals struct {
	machine  *machine
	fence    *fence.Fence
	most     int // bytes of an entry that the log takes; 0: any number
	complain func(what string, err error)
}

// sift is Raft's calls from other agents without those that it could not bear.
func (a *arrivals) sift(from <-chan raft.RPC, done <-chan struct{}) <-chan raft.RPC {
	return fence.Filter(from, done, func(rpc raft.RPC) bool {
		err := a.check(rpc.Command)
		if err != nil {
			a.complain("refusing what another agent sends", err)
			a.fence.Refuse(rpc, err)
		}
		return err != nil
	})
}

func (a *arrivals) check(call any) error {
	switch r := call.(type) {
	case *raft.AppendEntriesRequest:
		if err := a.entries(r); err != nil && !failpoint.Off("entries-are-read-on-arrival") {
			return fmt.Errorf("entries from %s in term %d: %w: %w", r.ID, r.Term, err, errUnreadable)
		}
	case *raft.InstallSnapshotRequest:
		if err := checkSnapshot(r); refuses(err) {
			return fmt.Errorf("snapshot from %s in term %d: %w: %w", r.ID, r.Term, err, errUnreadable)
		}
	}
	return nil
}

// entries says whether the entries of a call are a part of a log that this agent can read. Those
// of a leader always are: they go on where its call says, one after the other, in terms
// that do not fall.
func (a *arrivals) entries(r *raft.AppendEntriesRequest) error {
	index, term := r.PrevLogEntry, r.PrevLogTerm
	for _, e := range r.Entries {
		if e == nil {
			return fmt.Errorf("nothing in the place of entry %d", index+1)
		}
		if err := follows(e, index, term); err != nil {
			return err
		}
		if e.Term > r.Term {
			return fmt.Errorf("entry %d: its term %d is later than its leader's", e.Index, e.Term)
		}
		if size := len(e.Data) + len(e.Extensions); a.most > 0 && size > a.most {
			return fmt.Errorf("entry %d: it has %d bytes, and the log takes %d", e.Index, size, a.most)
		}
		command, err := checkEntry(e)
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Index, err)
		}
		if e.Type == raft.LogCommand {
			a.machine.remember(e.Data, command)
		}
		index, term = e.Index, e.Term
	}
	return nil
}

// follows says whether an entry may come after the one of that index and term.
func follows(e *raft.Log, index, term uint64) error {
	switch {
	case e.Index != index+1:
		return fmt.Errorf("entry %d: it says it is entry %d", index+1, e.Index)
	case e.Term < term:
		return fmt.Errorf("entry %d: its term %d comes after term %d", e.Index, e.Term, term)
	}
	return nil
}

// checkEntry says whether Raft and the tree understand an entry, and gives the command of one
// that has one.
func checkEntry(e *raft.Log) (command fsm.Command, err error) {
	switch e.Type {
	case raft.LogCommand:
		return fsm.DecodeCommand(e.Data)
	case raft.LogConfiguration:
		return command, checkMembers(e.Data)
	case raft.LogNoop, raft.LogBarrier:
		return command, nil
	default: // also those that Raft knows and no agent has ever written
		return command, fmt.Errorf("unknown kind of entry %d", e.Type)
	}
}

// checkMembers says whether Raft can take an encoded membership. Its own decoder panics.
func checkMembers(data []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("membership: %v", p)
		}
	}()
	voters, ids, addresses := 0, map[raft.ServerID]bool{}, map[raft.ServerAddress]bool{}
	for _, s := range raft.DecodeConfiguration(data).Servers {
		switch {
		case s.ID == "" || s.Address == "":
			return fmt.Errorf("membership: an agent without id or address: %q, %q", s.ID, s.Address)
		case ids[s.ID] || addresses[s.Address]:
			return fmt.Errorf("membership: %s at %s is not the only one", s.ID, s.Address)
		case s.Suffrage == raft.Voter:
			voters++
		}
		ids[s.ID], addresses[s.Address] = true, true
	}
	if voters == 0 {
		return errors.New("membership: no agent has a vote")
	}
	return nil
}

// refuses says that a snapshot is not taken, for what its reading came to.
func refuses(err error) bool { return err != nil && !failpoint.Off("snapshot-is-read-on-arrival") }

// checkSnapshot looks at what comes before a snapshot's data.
func checkSnapshot(r *raft.InstallSnapshotRequest) error {
	switch {
	case r.SnapshotVersion != raft.SnapshotVersionMax:
		return fmt.Errorf("unknown version %d of Raft's snapshots", r.SnapshotVersion)
	case r.LastLogIndex == 0 || r.LastLogTerm == 0 || r.LastLogTerm > r.Term:
		return fmt.Errorf("it ends with entry %d of term %d", r.LastLogIndex, r.LastLogTerm)
	}
	return checkMembers(r.Configuration)
}

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
		return 0, fmt.Errorf("a snapshot that another agent sends cannot be read: %w: %w", err, errUnreadable)
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
		return errors.Join(fmt.Errorf("a snapshot that another agent sends cannot be read: %w: %w", err, errUnreadable), s.SnapshotSink.Cancel())
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
