package agency

import (
	"encoding/json"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"stasis/agency/addressbook"
	"stasis/agency/keys"
	"stasis/internal/network"
)

// strangerStream lets a test speak Raft to agents, as one of them.
type strangerStream struct {
	net.Listener
	network network.Network
	as      *Agent
}

func (s strangerStream) Dial(target raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	id, address := addressbook.SplitTarget(string(target))
	m := &mux{network: s.network, conns: map[net.Conn]struct{}{}}
	conn, err := m.dialRaft(address, timeout)
	if err != nil {
		return nil, err
	}
	err = json.NewEncoder(conn).Encode(hello{To: id, From: s.as.id, Origin: s.as.origins.origin()})
	return &callingConn{Conn: conn, id: id, meet: func(string, keys.Origin) error { return nil }}, err
}

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
			listener, err := c.net.Host("stranger").Listen("stranger:1")
			require.NoError(t, err)
			stranger := raft.NewNetworkTransport(strangerStream{listener, c.net.Host("stranger"), c.agents[leader]}, 2, time.Minute, io.Discard)
			defer func() { require.NoError(t, stranger.Close()) }()
			term := c.agents[hung].raft.CurrentTerm()
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
			require.Equal(t, term, c.agents[hung].raft.CurrentTerm(), "its disk does not hang")
			thaw()
			calls.Wait()
			synctest.Wait()
			require.Equal(t, term+7, c.agents[hung].raft.CurrentTerm(), "the term went back behind a vote")
		})
	}
}
