package agency

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"stasis/agency/store"
	"stasis/fsm"
	"stasis/internal/bubbles"
)

// attacker speaks Raft to agents, as the agency's leader.
type attacker struct {
	*raft.NetworkTransport
	c      *cluster
	leader string
}

// attack gives an attacker that has found out all that can be found out without a key: ids,
// origin, term.
func (c *cluster) attack() *attacker {
	c.t.Helper()
	leader := c.leader()
	return &attacker{NetworkTransport: raft.NewNetworkTransport(c.stranger(c.agents[leader]), 2, time.Minute, io.Discard), c: c, leader: leader}
}

func (x *attacker) target(name string) (raft.ServerID, raft.ServerAddress) {
	return raft.ServerID("AGNT-" + name), raft.ServerAddress("AGNT-" + name + "@" + x.c.peers["AGNT-"+name])
}

func (x *attacker) header() raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("AGNT-" + x.leader), Addr: []byte(x.c.peers["AGNT-"+x.leader])}
}

// append sends entries that go on where the agent's log ends.
func (x *attacker) append(name string, entries ...*raft.Log) error {
	x.c.t.Helper()
	agent := x.c.agents[name]
	last := agent.node.Raft.LastIndex()
	var end raft.Log
	require.NoError(x.c.t, agent.disk.Log.GetLog(last, &end))
	term := agent.node.Raft.CurrentTerm()
	for i, e := range entries {
		if e == nil {
			continue
		}
		if e.Index == 0 {
			e.Index = last + 1 + uint64(i)
		}
		if e.Term == 0 {
			e.Term = term
		}
	}
	id, target := x.target(name)
	return x.AppendEntries(id, target, &raft.AppendEntriesRequest{
		RPCHeader: x.header(), Term: term, PrevLogEntry: last, PrevLogTerm: end.Term, Entries: entries, LeaderCommitIndex: last,
	}, &raft.AppendEntriesResponse{})
}

// repeat sends the agent the last entry that it has.
func (x *attacker) repeat(name string) error {
	x.c.t.Helper()
	agent := x.c.agents[name]
	var before, last raft.Log
	require.NoError(x.c.t, agent.disk.Log.GetLog(agent.node.Raft.LastIndex()-1, &before))
	require.NoError(x.c.t, agent.disk.Log.GetLog(agent.node.Raft.LastIndex(), &last))
	id, target := x.target(name)
	return x.AppendEntries(id, target, &raft.AppendEntriesRequest{
		RPCHeader: x.header(), Term: agent.node.Raft.CurrentTerm(), PrevLogEntry: before.Index, PrevLogTerm: before.Term, Entries: []*raft.Log{&last},
	}, &raft.AppendEntriesResponse{})
}

// garbage is entries that Raft would store, and that no agent can apply.
type garbage struct {
	what    string
	entries []*raft.Log
}

func allGarbage() []garbage {
	command := fsm.Command{Time: 1}.Encode()
	other := bytes.Clone(command)
	other[len(other)-1]++
	return []garbage{
		{"nonsense", []*raft.Log{{Type: raft.LogCommand, Data: []byte("nonsense")}}},
		{"nothing", []*raft.Log{{Type: raft.LogCommand}}},
		{"a wrong checksum", []*raft.Log{{Type: raft.LogCommand, Data: other}}},
		{"no JSON", []*raft.Log{{Type: raft.LogCommand, Data: unreadable()}}},
		{"one behind a good one", []*raft.Log{{Type: raft.LogCommand, Data: command}, {Type: raft.LogCommand, Data: []byte("nonsense")}}},
		{"a membership", []*raft.Log{{Type: raft.LogConfiguration, Data: []byte("nonsense")}}},
		{"an empty membership", []*raft.Log{{Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(raft.Configuration{})}}},
		{"an old kind", []*raft.Log{{Type: raft.LogAddPeerDeprecated, Data: []byte("nonsense")}}},
		{"an unknown kind", []*raft.Log{{Type: 77, Data: []byte("nonsense")}}},
		{"an entry that is none", []*raft.Log{nil}},
		{"a gap", []*raft.Log{{Index: 1 << 20, Type: raft.LogCommand, Data: command}}},
		{"a later term", []*raft.Log{{Term: 1 << 20, Type: raft.LogNoop}}},
		{"a term that falls", []*raft.Log{{Type: raft.LogNoop}, {Term: 1, Type: raft.LogNoop}}},
	}
}

// unreadable is a command whose checksum is right and which is none.
func unreadable() []byte {
	tx, err := fsm.ParseTransaction([]byte(`[{"x":1}]`))
	if err != nil {
		panic(err)
	}
	good := fsm.Command{Time: 1, Transactions: []fsm.Transaction{tx}}.Encode()
	bad := bytes.Replace(good[:len(good)-4], []byte(`{"x":1}`), []byte(`{"x":1]`), 1)
	return binary.BigEndian.AppendUint32(bad, crc32.Checksum(bad, crc32.MakeTable(crc32.Castagnoli)))
}

// TestGarbageEntriesAreRefused: an entry that cannot be applied is refused before any of it is
// stored; all agents live, and have what they had, also after a restart.
func TestGarbageEntriesAreRefused(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		x := c.attack()
		defer func() { require.NoError(t, x.Close()) }()
		require.Equal(t, 200, c.ask(x.leader, "write", `[[{"x":1}]]`).status)
		time.Sleep(5 * time.Second)
		for _, name := range c.others(x.leader) {
			for _, g := range allGarbage() {
				before := c.agents[name].node.Raft.LastIndex()
				require.ErrorContains(t, x.append(name, g.entries...), "nothing of it is kept", "%s: an entry that cannot be read is taken", g.what)
				require.Equal(t, before, c.agents[name].node.Raft.LastIndex(), g.what)
			}
		}
		require.NoError(t, x.repeat(c.others(x.leader)[0]), "what was refused was not refused for what it was")
		c.unharmed(x.leader)
	})
}

// unharmed says that all agents live and have x, also when they start again.
func (c *cluster) unharmed(leader string) {
	c.t.Helper()
	for range 2 {
		require.Equal(c.t, 200, c.ask(leader, "write", `[[{"y":{"op":"increment"}}]]`).status)
		time.Sleep(5 * time.Second)
		want := decoded(c.t, c.ask(leader, "state", ""))["agency"]
		for name, a := range c.agents {
			select {
			case err := <-a.Err():
				require.NoError(c.t, err, name)
			default:
			}
			require.Equal(c.t, want, decoded(c.t, c.ask(name, "state", ""))["agency"], name)
		}
		for _, name := range []string{"a", "b", "c"} {
			c.kill(name)
		}
		for _, name := range []string{"a", "b", "c"} {
			c.start(name)
		}
		leader = c.leader()
		require.Equal(c.t, `200 [{"x":1}]`, c.ask(leader, "read", `[["x"]]`).String())
	}
}

// inBubbleOn runs a test against an agency of three whose logs are on disk, if there are directories for them.
func inBubbleOn(t *testing.T, dirs map[string]string, test func(*testing.T, *cluster)) {
	t.Helper()
	bubbles.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, Timing{DiskPatience: time.Hour}) // the disk is real
		c.dirs = dirs
		for name := range c.stores {
			c.start(name)
		}
		defer c.end() // also when the test has failed
		test(t, c)
	})
}

// TestGarbageSnapshotIsRefused: a snapshot that cannot be read replaces nothing.
func TestGarbageSnapshotIsRefused(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		x := c.attack()
		defer func() { require.NoError(t, x.Close()) }()
		require.Equal(t, 200, c.ask(x.leader, "write", `[[{"x":1}]]`).status)
		time.Sleep(5 * time.Second)
		name := c.others(x.leader)[0]
		agent := c.agents[name]
		members := raft.EncodeConfiguration(agent.members.Configuration())
		var whole bytes.Buffer
		_, err := agent.tree.State().WriteTo(&whole)
		require.NoError(t, err)
		send := func(data []byte, members []byte) error {
			id, target := x.target(name)
			return x.InstallSnapshot(id, target, &raft.InstallSnapshotRequest{
				RPCHeader: x.header(), SnapshotVersion: raft.SnapshotVersionMax, Term: agent.node.Raft.CurrentTerm(), LastLogIndex: 1 << 20, LastLogTerm: 1,
				Configuration: members, ConfigurationIndex: 1, Size: int64(len(data)),
			}, &raft.InstallSnapshotResponse{}, bytes.NewReader(data))
		}
		for what, data := range map[string][]byte{
			"nonsense": []byte("nonsense"), "nothing": nil, "much nonsense": bytes.Repeat([]byte("nonsense"), 1<<17),
			"a torn one": whole.Bytes()[:whole.Len()-1], "one with more behind it": append(bytes.Clone(whole.Bytes()), make([]byte, 1<<20)...),
		} {
			require.ErrorContains(t, send(data, members), "refused", "a snapshot that cannot be read is taken: %s", what)
		}
		require.ErrorContains(t, send(whole.Bytes(), []byte("nonsense")), "refused")
		shots, err := agent.disk.Snapshots.List()
		require.NoError(t, err)
		require.Empty(t, shots, "it is published")
		c.unharmed(x.leader)
	})
}

// TestUnreadableEntryOnDisk: an agent that has an entry on disk that it cannot read does not
// start, and says which, where, and what to do; and doing it helps.
func TestUnreadableEntryOnDisk(t *testing.T) {
	for what, bad := range map[string]raft.Log{
		"command":    {Type: raft.LogCommand, Data: unreadable()},
		"membership": {Type: raft.LogConfiguration, Data: []byte("nonsense")},
		"kind":       {Type: 77},
	} {
		t.Run(what, func(t *testing.T) {
			dirs := map[string]string{}
			if what == "command" { // the others have their disks in memory
				dirs = map[string]string{"a": t.TempDir(), "b": t.TempDir(), "c": t.TempDir()}
			}
			inBubbleOn(t, dirs, func(t *testing.T, c *cluster) {
				require.Equal(t, 200, c.ask(c.leader(), "write", `[[{"x":1}]]`).status)
				time.Sleep(5 * time.Second)
				broken := c.others(c.leader())[0]
				c.kill(broken)
				dir, fs := c.fsOf(broken)
				kept, err := store.Open(store.Config{Dir: dir, FS: fs, Logger: logger(t)})
				require.NoError(t, err)
				last, err := kept.Log.LastIndex()
				require.NoError(t, err)
				bad.Index, bad.Term = last+1, 1<<20
				require.NoError(t, kept.Log.StoreLog(&bad))
				require.NoError(t, kept.Close())

				_, err = Start(t.Context(), Config{ID: "AGNT-" + broken, Listen: broken + ":1", Peers: c.peers, Network: c.net.Host(broken), Dir: dir, FS: fs, Logger: logger(t)})
				require.ErrorContains(t, err, fmt.Sprintf("entry %d: ", last+1))
				require.ErrorContains(t, err, "delete its directory "+dir+" and start it again with the same flags")
				if fs == nil {
					require.NoError(t, os.RemoveAll(dir))
				} else {
					c.wipe(broken)
				}
				c.start(broken)
				time.Sleep(30 * time.Second)
				require.False(t, c.agents[broken].learner.Active(), "it has not caught up")
				c.unharmed(c.leader())
			})
		})
	}
}
