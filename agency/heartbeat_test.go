package agency

import (
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/agency/port"
	"stasis/agency/store"
)

// strangerStream lets a test speak Raft to agents, as one of them.
type strangerStream struct {
	*port.Streams
	port *port.Port
}

// stranger opens a port that speaks as an agent does.
func (c *cluster) stranger(as *Agent) strangerStream {
	c.t.Helper()
	listener, err := c.net.Host("stranger").Listen("stranger:1")
	require.NoError(c.t, err)
	p := port.New(c.net.Host("stranger"), listener)
	return strangerStream{port: p, Streams: p.Streams(port.Config{
		Self: as.id, Advertise: "stranger:1", Origin: as.origins.Origin, DiskRate: store.LeastRate,
		Leads:       func() bool { return false },
		Greet:       func(port.Hello) error { return nil },
		Meet:        func(string, keys.Origin) error { return nil },
		Unreachable: func(string, string) {},
		Complain:    func(string, error) {},
	})}
}

// Close closes the port, too: it is all of the stranger.
func (s strangerStream) Close() error { return errors.Join(s.Streams.Close(), s.port.Close()) }

// TestTermNeverGoesBack: a heartbeat of one new term and a call for a vote in a newer one
// wait for a disk that hangs. Whichever the disk takes first, the agent ends in the newer
// term: back in the older one it would acknowledge entries of a leader against which it
// has voted.
func TestTermNeverGoesBack(t *testing.T) {
	for range 20 {
		inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
			leader := c.leader()
			hung, other := c.others(leader)[0], c.others(leader)[1]
			for _, name := range []string{leader, other} {
				c.net.Cut(name, hung)
				c.net.Cut(hung, name)
			}
			stranger := raft.NewNetworkTransport(c.stranger(c.agents[leader]), 2, time.Minute, io.Discard)
			defer func() { require.NoError(t, stranger.Close()) }()
			term := c.agents[hung].node.Raft.CurrentTerm()
			target := raft.ServerAddress("AGNT-" + hung + "@" + c.peers["AGNT-"+hung])
			header := func(name string) raft.RPCHeader {
				return raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("AGNT-" + name), Addr: []byte(c.peers["AGNT-"+name])}
			}
			thaw := c.freeze(hung)
			var calls sync.WaitGroup
			calls.Go(func() {
				_ = stranger.AppendEntries("AGNT-"+raft.ServerID(hung), target, &raft.AppendEntriesRequest{RPCHeader: header(leader), Term: term + 5}, &raft.AppendEntriesResponse{}) // seen below
			})
			calls.Go(func() {
				_ = stranger.RequestVote("AGNT-"+raft.ServerID(hung), target, &raft.RequestVoteRequest{
					RPCHeader: header(other), Term: term + 7, LastLogIndex: 1000, LastLogTerm: term + 4, LeadershipTransfer: true,
				}, &raft.RequestVoteResponse{}) // seen below
			})
			time.Sleep(100 * time.Millisecond)
			require.Equal(t, term, c.agents[hung].node.Raft.CurrentTerm(), "its disk does not hang")
			thaw()
			calls.Wait()
			synctest.Wait()
			require.Equal(t, term+7, c.agents[hung].node.Raft.CurrentTerm(), "the term went back behind a vote")
		})
	}
}

// TestCloseWhileHeartbeatsWait: heartbeats of a new term wait for Raft's loop when the agent is closed.
// Close ends them: Raft does not take them any more.
func TestCloseWhileHeartbeatsWait(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		name := c.others(leader)[0]
		agent := c.agents[name]
		stranger := raft.NewNetworkTransport(c.stranger(c.agents[leader]), 2, time.Minute, io.Discard)
		defer func() { require.NoError(t, stranger.Close()) }()
		term, thaw := agent.node.Raft.CurrentTerm(), c.freeze(name)
		var calls sync.WaitGroup
		for range 20 { // more than Raft takes by chance when it sees that it has to stop
			calls.Go(func() {
				header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("AGNT-" + leader), Addr: []byte(c.peers["AGNT-"+leader])}
				_ = stranger.AppendEntries("AGNT-"+raft.ServerID(name), raft.ServerAddress("AGNT-"+name+"@"+c.peers["AGNT-"+name]),
					&raft.AppendEntriesRequest{RPCHeader: header, Term: term + 5}, &raft.AppendEntriesResponse{}) // it may be answered or not
			})
		}
		time.Sleep(100 * time.Millisecond)
		require.Equal(t, term, agent.node.Raft.CurrentTerm(), "its disk does not hang")
		closed := make(chan struct{})
		go func() {
			c.kill(name)
			close(closed)
		}()
		time.Sleep(100 * time.Millisecond)
		thaw()
		select {
		case <-closed:
		case <-time.After(time.Minute):
			panic("Close waits for ever for calls that wait for Raft") // the bubble could not end
		}
		calls.Wait()
	})
}
