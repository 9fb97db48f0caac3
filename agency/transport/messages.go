package transport

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/addressbook"
	"stasis/internal/network"
)

// longestKept is how long a snapshot may be that is kept to be sent again.
const longestKept = 8 << 20

// messages lets the faults of the network's messages happen to Raft's calls.
type messages struct {
	faults   network.Messages // nil: the network has none
	book     *addressbook.Book
	patience time.Duration
	running  context.Context // ends with the transport
	stop     context.CancelFunc
}

func newMessages(n network.Network, book *addressbook.Book, patience time.Duration) *messages {
	m := &messages{book: book, patience: patience}
	m.faults, _ = n.(network.Messages)
	m.running, m.stop = context.WithCancel(context.Background())
	return m
}

// outgoing is a call to another agent.
type outgoing struct {
	*messages
	id     raft.ServerID
	target raft.ServerAddress
	name   string
}

func (m *messages) to(id raft.ServerID, target raft.ServerAddress, name string) outgoing {
	return outgoing{m, id, target, name}
}

// through makes a call through the faults of messages. A copy has a response of its own, which Raft does not see.
func through[A, R any](o outgoing, args *A, resp *R, call func(raft.ServerID, raft.ServerAddress, *A, *R) error) error {
	if o.faults == nil {
		return call(o.id, o.target, args, resp)
	}
	kept := *args // Raft may change its own when it has the response
	return o.faulty(true, func(again bool) error {
		if again {
			return call(o.id, o.target, &kept, new(R))
		}
		return call(o.id, o.target, args, resp)
	})
}

// sender sends a snapshot.
type sender func(raft.ServerID, raft.ServerAddress, *raft.InstallSnapshotRequest, *raft.InstallSnapshotResponse, io.Reader) error

// snapshot is through for a snapshot, which can be copied if it is small.
func (o outgoing) snapshot(args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader, send sender) error {
	if o.faults == nil {
		return send(o.id, o.target, args, resp, data)
	}
	var whole []byte
	small := args.Size <= longestKept
	if small {
		var err error
		if whole, err = io.ReadAll(data); err != nil {
			return fmt.Errorf("read the snapshot for agent %s: %w", o.id, err)
		}
		data = bytes.NewReader(whole)
	}
	kept := *args
	return o.faulty(small, func(again bool) error {
		if again {
			return send(o.id, o.target, &kept, new(raft.InstallSnapshotResponse), bytes.NewReader(whole))
		}
		return send(o.id, o.target, args, resp, data)
	})
}

// faulty lets faults happen to a call. Raft waits no longer for a call that is lost than for one without an answer.
func (o outgoing) faulty(repeatable bool, do func(again bool) error) error {
	ctx, cancel := context.WithTimeout(o.running, o.patience)
	defer cancel()
	_, address := addressbook.SplitTarget(string(o.target))
	return o.faults.Call(ctx, o.book.Of(string(o.id), address), "raft/"+o.name, repeatable, do)
}
