// Package member lists the members of an agency and changes them, on the agent that leads.
//
// A new member is sent the log without a vote first; when it has caught up, and says that it is
// ready, it gets its vote (Raft thesis, 4.2.1). A member is removed only if the rest still has a
// majority that answers.
package member

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/addressbook"
	agencyclient "stasis/agency/client"
	"stasis/agency/leadership"
	"stasis/agency/raftcall"
	"stasis/agency/readindex"
)

// Raft is what Members need of Raft.
type Raft interface {
	GetConfiguration() raft.ConfigurationFuture
	AddVoter(id raft.ServerID, address raft.ServerAddress, prevIndex uint64, timeout time.Duration) raft.IndexFuture
	AddNonvoter(id raft.ServerID, address raft.ServerAddress, prevIndex uint64, timeout time.Duration) raft.IndexFuture
	RemoveServer(id raft.ServerID, prevIndex uint64, timeout time.Duration) raft.IndexFuture
	LeadershipTransfer() raft.Future
	LeadershipTransferToServer(id raft.ServerID, address raft.ServerAddress) raft.Future
	LastIndex() uint64
}

// Leader tells whether this agent leads.
type Leader interface {
	Serving(ctx context.Context) (*leadership.Leadership, error)
}

// Options say whose members they are.
type Options struct {
	Self   string // the id of this agent
	Leader Leader
	Acks   *readindex.Acks
	Book   *addressbook.Book
	Waiter *raftcall.Waiter
	// Election is Raft's election timeout: a member that is silent for twice as long is taken
	// for dead.
	Election time.Duration
	// Alarm is what this agent has to say about the size of its tree.
	Alarm func() string
}

// Members are those of one agency. Their methods may be called from any goroutine.
type Members struct {
	options Options
	raft    Raft
	running context.Context
}

// New gives the members as Raft has them. running is the life of the agent.
func New(running context.Context, r Raft, o Options) *Members {
	return &Members{options: o, raft: r, running: running}
}

// List tells who belongs to the agency and how each member keeps up, as the leader sees it.
func (m *Members) List(l *leadership.Leadership) []agencyclient.Member {
	var list []agencyclient.Member
	for _, s := range m.Configuration().Servers {
		e := agencyclient.Member{ID: string(s.ID), Endpoint: "tcp://" + m.options.Book.Of(string(s.ID), string(s.Address)), Voter: s.Suffrage == raft.Voter}
		if e.Leader = e.ID == m.options.Self; e.Leader {
			e.Heard, e.Lag = true, 0
			e.Alarm = m.options.Alarm()
		} else if last, ok := m.options.Acks.Last(s.ID, l.Term); ok {
			e.Heard, e.SilentSeconds = true, time.Since(last.At).Seconds()
			e.Lag = m.raft.LastIndex() - min(m.raft.LastIndex(), last.Matched)
		}
		list = append(list, e)
	}
	slices.SortFunc(list, func(x, y agencyclient.Member) int { return cmp.Compare(x.ID, y.ID) })
	return list
}

// Configuration is Raft's newest configuration.
func (m *Members) Configuration() raft.Configuration { return Configuration(m.raft) }

// Others are the voters beside this agent, and how many of them make a majority with it.
func (m *Members) Others() (ids []raft.ServerID, need int) {
	voters := Voters(m.Configuration())
	for _, id := range voters {
		if id != m.options.Self {
			ids = append(ids, raft.ServerID(id))
		}
	}
	return ids, len(voters) / 2
}

// Has tells whether this agent is a voter at an address. It is true for an agent that is no
// member: it was removed, and an operator may add it again.
func (m *Members) Has(address string) bool {
	for _, s := range m.Configuration().Servers {
		if string(s.ID) == m.options.Self {
			return string(s.Address) == address && s.Suffrage == raft.Voter
		}
	}
	return true
}

// Addresses are where the other members are to be found.
func (m *Members) Addresses() (all []string) {
	for _, s := range m.Configuration().Servers {
		if string(s.ID) != m.options.Self {
			all = append(all, m.options.Book.Of(string(s.ID), string(s.Address)))
		}
	}
	return all
}

// Pool maps the ids of all members to their endpoints, "tcp://host:port".
func (m *Members) Pool() map[string]string {
	pool := map[string]string{}
	for _, s := range m.Configuration().Servers {
		pool[string(s.ID)] = "tcp://" + m.options.Book.Of(string(s.ID), string(s.Address))
	}
	return pool
}

// Endpoints are where the agents are, "tcp://host:port", as the leader sees them.
func (m *Members) Endpoints(l *leadership.Leadership) (all []string) {
	for _, e := range m.List(l) {
		all = append(all, e.Endpoint)
	}
	return all
}

// Acked is how the other members have last accepted this leader, by id. Members that have not are
// not in it.
func (m *Members) Acked(l *leadership.Leadership) map[string]readindex.Ack {
	all := map[string]readindex.Ack{}
	for _, s := range m.Configuration().Servers {
		if last, ok := m.options.Acks.Last(s.ID, l.Term); ok {
			all[string(s.ID)] = last
		}
	}
	return all
}
