package replica

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/event"
)

// Place is what Plan says of a shard.
type Place struct {
	Database, Collection string // the collection's id
	Shard                string
	Term                 uint64
	Servers              []string // as in Plan, leader first, a resigned one with its mark
	WriteConcern         int
	Indexes              []keys.Index
	Building             bool // the collection has never been served
}

// resigned says whether Plan wants the leader to stop.
func (p Place) resigned() bool {
	return len(p.Servers) > 0 && strings.HasPrefix(p.Servers[0], keys.Resigned)
}

// Leader is the planned leader, resigned or not.
func (p Place) Leader() string {
	if len(p.Servers) == 0 {
		return ""
	}
	return strings.TrimPrefix(p.Servers[0], keys.Resigned)
}

func (p Place) followers() []string {
	if len(p.Servers) == 0 {
		return nil
	}
	return p.Servers[1:]
}

func (p Place) planKey() string { return keys.PlanCollection(p.Database, p.Collection) }

func (p Place) currentKey() string { return keys.CurrentShard(p.Database, p.Collection, p.Shard) }

// same says whether nothing differs that a leader goes by.
func (p Place) same(o Place) bool {
	return p.Term == o.Term && p.WriteConcern == o.WriteConcern && slices.Equal(p.Servers, o.Servers) && p.Building == o.Building
}

// Peers are the calls to the other replicas of a shard.
type Peers interface {
	Promise(ctx context.Context, t dbclient.Target, shard string, r dbclient.Tenure) (dbclient.ReplicaAnswer, error)
	Accept(ctx context.Context, t dbclient.Target, shard string, r dbclient.AcceptRequest) (dbclient.ReplicaAnswer, error)
	Copy(ctx context.Context, t dbclient.Target, shard string, r dbclient.CopyRequest) (dbclient.ReplicaAnswer, error)
	Log(ctx context.Context, t dbclient.Target, shard string, r dbclient.LogRequest) (dbclient.LogResponse, error)
}

// Agency is what reports are written with. Errors are those of agency/client's Client.
type Agency interface {
	Write(ctx context.Context, tx agencyclient.Tx) (index uint64, err error)
}

// Cache is the server's copy of the agency's tree. It may be behind; Sync's answer is not.
type Cache interface {
	Snapshot() agencyclient.Snapshot
	Sync(ctx context.Context) (agencyclient.Snapshot, error)
	Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error)
}

// Server is what a Leader needs of the server that it runs on.
type Server struct {
	ID     string
	Reboot func() uint64
	Epoch  uint64
	Agency Agency
	Cache  Cache
	Peers  Peers
	Lease  func() error                                    // nil while this server may serve
	Enter  func(context.Context) (leave func(), err error) // passes the gate
	Sync   func() error                                    // everything logged here is on disk
	Logger hclog.Logger
	Steps  event.Sink
	Timing Timing
}

// Timing holds intervals; a zero field gets its default.
type Timing struct {
	Silent    time.Duration // a follower that does not answer for so long leaves the in-sync set; 3 s
	Join      time.Duration // a new leader waits so long for followers before it serves without them; 2 s
	KeepAlive time.Duration // an idle follower is asked so often; 500 ms
	Linger    time.Duration // how long the news that a record is committed waits for company; 20 ms
	Call      time.Duration // one call to a follower; 5 s
	Agency    time.Duration // one question to the agency; 5 s
	Retry     time.Duration // longest pause before something is tried again; 500 ms
}

// WithDefaults fills in what is zero.
func (t Timing) WithDefaults() Timing {
	for _, f := range []struct {
		d   *time.Duration
		def time.Duration
	}{
		{&t.Silent, 3 * time.Second}, {&t.Join, 2 * time.Second}, {&t.KeepAlive, 500 * time.Millisecond}, {&t.Linger, 20 * time.Millisecond},
		{&t.Call, 5 * time.Second}, {&t.Agency, 5 * time.Second}, {&t.Retry, 500 * time.Millisecond},
	} {
		if *f.d <= 0 {
			*f.d = f.def
		}
	}
	return t
}

// Operation is that of the events here.
const Operation = "replication"

// Steps of replication.
const (
	LeadershipTaken    event.Name = "leadership taken"
	LeadershipResigned event.Name = "leadership resigned"
	FollowerJoined     event.Name = "follower in sync"
	FollowerLeft       event.Name = "follower no longer in sync"
	FollowerCopied     event.Name = "follower copied"
)

// tenureOf makes the wire's form.
func tenureOf(t shard.Tenure) dbclient.Tenure { return dbclient.Tenure(t) }

func positionOf(p shard.Position) dbclient.Position {
	return dbclient.Position{Tenure: tenureOf(p.Tenure), Seq: p.Seq}
}

// StateOf makes the wire's form of a replica's state.
func StateOf(s shard.State) dbclient.ReplicaState {
	return dbclient.ReplicaState{
		Promised: tenureOf(s.Promised), Last: positionOf(s.Last), Committed: s.Committed,
		Count: s.Count, Revision: s.Revision, Copying: s.Copying,
	}
}

func fromPosition(p dbclient.Position) shard.Position {
	return shard.Position{Tenure: shard.Tenure(p.Tenure), Seq: p.Seq}
}
