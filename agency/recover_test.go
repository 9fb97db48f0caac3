package agency

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/learner"
	"stasis/agency/note"
	"stasis/agency/origin"
	"stasis/agency/recovery"
	"stasis/agency/store"
	"stasis/fault"
)

// origin is what an agent says it belongs to, and its status.
func (c *cluster) config(name string) agencyclient.Config {
	c.t.Helper()
	var config agencyclient.Config
	require.NoError(c.t, decode(c.ask(name, "config", ""), &config))
	return config
}

// stopped waits until an agent has stopped by itself, and gives the reason.
func (c *cluster) stopped(name string) error {
	c.t.Helper()
	select {
	case err := <-c.agents[name].Err():
		return err
	case <-time.After(time.Minute):
		require.Fail(c.t, name+" goes on")
		return nil
	}
}

// trees are the trees of all agents that run, without those that have nothing.
func (c *cluster) trees() map[string][]string {
	c.t.Helper()
	trees := map[string][]string{}
	for name, a := range c.agents {
		if a.node.Raft.LastIndex() > 0 && a.life.running.Err() == nil {
			state := decoded(c.t, c.ask(name, "state", ""))
			text := fmt.Sprint(state["index"], state["agency"])
			trees[text] = append(trees[text], name)
		}
	}
	return trees
}

// TestRecover: two of three disks are gone. From the third one the agency goes on with
// everything that it had, at higher indices; the others come back with empty disks and the
// command line of before; and one that comes back with a disk from before is refused,
// and stops.
func TestRecover(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		for i := range 10 {
			c.ask(c.leader(), "write", fmt.Sprintf(`[[{"x":%d},{},"id-%d"]]`, i, i))
		}
		time.Sleep(2 * time.Second)
		before := c.config("a").Origin
		c.kill("b")
		old := c.stores["b"] // found again later
		c.wipe("b", "c")
		c.kill("a")
		stores := c.stores["a"]

		seen, err := recovery.Recover(recovery.Options{Dir: memoryDir, FS: stores.FS(), DryRun: true, Logger: logger(t)})
		require.NoError(t, err)
		require.EqualValues(t, 10, seen.Index)
		require.Len(t, seen.Members, 3)
		require.False(t, seen.Incomplete)
		c.start("a")
		c.start("b")
		time.Sleep(10 * time.Second)
		require.Contains(t, c.config("b").Status, `run "stasis agency recover --dir"`, "what to do is said where it does not go on")
		require.Contains(t, c.config("b").Status, "has no leader")
		require.False(t, c.agents["a"].IsLeader())
		c.kill("a")

		got, err := recovery.Recover(recovery.Options{Dir: memoryDir, FS: stores.FS(), Logger: logger(t)})
		require.NoError(t, err)
		require.Equal(t, before, got.Before)
		require.Equal(t, before.Agency, got.After.Agency)
		require.EqualValues(t, 2, got.After.Incarnation)
		c.start("a")
		require.Equal(t, "a", c.leader())
		require.Equal(t, `200 [{"x":9}]`, c.ask("a", "read", `[["x"]]`).String())
		require.Equal(t, fmt.Sprintf(`200 {"results":[%d],"inquired":true}`, recovery.IndexStep), c.ask("a", "inquire", `["id-9"]`).String(), "client ids are known")
		require.Equal(t, fmt.Sprintf(`200 {"results":[%d]}`, recovery.IndexStep+1), c.ask("a", "write", `[[{"x":"after"}]]`).String())

		c.start("c")
		c.voters(3)
		require.Equal(t, got.After, c.config("b").Origin)
		require.Equal(t, got.After, c.config("c").Origin)
		require.Empty(t, c.config("b").Status)
		c.kill("a")
		require.Equal(t, `200 [{"x":"after"}]`, c.ask(c.leader(), "read", `[["x"]]`).String())
		c.start("a")
		c.kill("b")
		c.stores["b"] = old
		c.start("b")
		require.ErrorIs(t, c.stopped("b"), origin.ErrStranger)
		require.Equal(t, http.StatusServiceUnavailable, c.ask("b", "read", `[["x"]]`).status)
		require.Contains(t, c.config("b").Status, "incarnation 2")
		require.Equal(t, 200, c.ask(c.leader("b"), "write", `[[{"x":"members go on"}]]`).status)
	})
}

// TestRecoverOnDisk: the same on the real disk, with each layout, by the directory's lock and
// with entries in the log and in a snapshot; and what is refused.
func TestRecoverOnDisk(t *testing.T) {
	for _, l := range diskLayouts {
		t.Run(l.log, func(t *testing.T) {
			dir := t.TempDir()
			if l == walFilesAlone { // no new directory has it
				makeLayout(t, dir, "AGNT-1", l)
			}
			small := func(c *Config) { c.LogStore, c.Timing.TrailingLogs = l.kind, 2 }
			s := alone(t, dir, small)
			for range 20 {
				s.post("write", `[[{"x":{"op":"increment"}}]]`)
			}
			require.NoError(t, s.node.Raft.Snapshot().Error())
			s.post("write", `[[{"x":{"op":"increment"}}]]`)
			_, err := recovery.Recover(recovery.Options{Dir: dir, Logger: logger(t)})
			require.ErrorContains(t, err, "in use")
			s.end()

			for i := uint64(2); i <= 3; i++ {
				got, err := recovery.Recover(recovery.Options{Dir: dir, Logger: logger(t)})
				require.NoError(t, err)
				require.Equal(t, i, got.After.Incarnation)
				require.Equal(t, s.ID(), got.ID)
			}
			_, err = recovery.Recover(recovery.Options{Dir: dir, Incarnation: 3, Logger: logger(t)})
			require.ErrorContains(t, err, "there was incarnation 3 already")
			_, err = recovery.Recover(recovery.Options{Dir: dir, Incarnation: recovery.MostIncarnations + 1, Logger: logger(t)})
			require.Error(t, err)
			s = alone(t, dir, small)
			require.Equal(t, `200 [{"x":21}]`, s.post("read", `[["x"]]`).String())
			require.Equal(t, fmt.Sprintf(`200 {"results":[%d]}`, 2*recovery.IndexStep+1), s.post("write", `[[{"y":1}]]`).String())
			require.Eventually(t, func() bool { return string(s.members.Configuration().Servers[0].Address) == s.advertise }, waitMax, waitStep, "it writes its own address to the log")
		})
	}
	empty := filepath.Join(t.TempDir(), "none")
	_, err := recovery.Recover(recovery.Options{Dir: empty})
	require.ErrorIs(t, err, recovery.ErrNothingToRecover)
	require.NoDirExists(t, empty, "nothing is made where nothing was")
	_, err = recovery.Recover(recovery.Options{Dir: memoryDir, FS: newMemory("a").FS()})
	require.ErrorIs(t, err, recovery.ErrNothingToRecover)
}

// TestRecoverOnAGivenDisk: an agent that takes faults has its disk behind a file system of its own, and keeps no vote in Bolt's file. The
// command works on its directory without one, also after a snapshot, and the agent goes on, with one or without.
func TestRecoverOnAGivenDisk(t *testing.T) {
	dir := t.TempDir()
	given := func(c *Config) { c.FS, c.Timing.TrailingLogs = fault.WrapDisk(vfs.Default).FS(), 2 }
	s := alone(t, dir, given)
	for range 20 {
		s.post("write", `[[{"x":{"op":"increment"}}]]`)
	}
	require.NoError(t, s.node.Raft.Snapshot().Error())
	s.post("write", `[[{"x":{"op":"increment"}}]]`)
	require.FileExists(t, filepath.Join(dir, "raft-votes"), "its votes are a file of its own")
	_, err := recovery.Recover(recovery.Options{Dir: dir, Logger: logger(t)})
	require.ErrorContains(t, err, "in use")
	s.end()
	for i, change := range []func(*Config){given, func(*Config) {}, given} {
		dry, err := recovery.Recover(recovery.Options{Dir: dir, DryRun: true, Logger: logger(t)})
		require.NoError(t, err)
		got, err := recovery.Recover(recovery.Options{Dir: dir, Logger: logger(t)})
		require.NoError(t, err)
		require.EqualValues(t, i+2, got.After.Incarnation)
		require.Equal(t, dry.RaftIndex, got.RaftIndex)
		s = alone(t, dir, change)
		require.Equal(t, fmt.Sprintf(`200 [{"x":%d}]`, 21+i), s.post("read", `[["x"]]`).String())
		s.post("write", `[[{"x":{"op":"increment"}}]]`)
		s.end()
	}
}

// TestRecoverIncomplete: an agent that had not caught up is no survivor, unless it is
// said to be.
func TestRecoverIncomplete(t *testing.T) {
	inBubble(t, 1, Timing{}, func(t *testing.T, c *cluster) {
		c.ask(c.leader(), "write", `[[{"x":1}]]`)
		c.kill("a")
		require.NoError(t, note.Write(c.stores["a"], note.Learner, learner.Record{Seed: "s"}))
		_, err := recovery.Recover(recovery.Options{Dir: memoryDir, FS: c.stores["a"].FS()})
		require.ErrorContains(t, err, "--incomplete")
		_, err = recovery.Recover(recovery.Options{Dir: memoryDir, FS: c.stores["a"].FS(), Incomplete: true})
		require.NoError(t, err)
		c.start("a")
		require.Equal(t, `200 [{"x":1}]`, c.ask(c.leader(), "read", `[["x"]]`).String())
	})
}

// cutShort lets so many changes of a disk happen and then no more.
type cutShort struct{ left int }

func (c *cutShort) pass() error {
	if c.left--; c.left < 0 {
		return errFull
	}
	return nil
}

type cutNotes struct {
	note.Store
	cut *cutShort
}

func (n cutNotes) WriteNote(name string, data []byte) error {
	if err := n.cut.pass(); err != nil {
		return err
	}
	return n.Store.WriteNote(name, data)
}

func (n cutNotes) RemoveNote(name string) error {
	if err := n.cut.pass(); err != nil {
		return err
	}
	return n.Store.RemoveNote(name)
}

type cutLog struct {
	raft.LogStore
	cut *cutShort
}

func (l cutLog) DeleteRange(from, to uint64) error {
	if err := l.cut.pass(); err != nil {
		return err
	}
	return l.LogStore.DeleteRange(from, to)
}

type cutShots struct {
	raft.SnapshotStore
	cut *cutShort
}

func (s cutShots) Create(v raft.SnapshotVersion, index, term uint64, m raft.Configuration, mi uint64, t raft.Transport) (raft.SnapshotSink, error) {
	if err := s.cut.pass(); err != nil {
		return nil, err
	}
	return s.SnapshotStore.Create(v, index, term, m, mi, t)
}

type cutStable struct {
	raft.StableStore
	cut *cutShort
}

func (s cutStable) SetUint64(key []byte, v uint64) error {
	if err := s.cut.pass(); err != nil {
		return err
	}
	return s.StableStore.SetUint64(key, v)
}

func cutAfter(d *store.Store, n int) *cutShort {
	cut := &cutShort{left: n}
	d.Notes, d.Log, d.Snapshots, d.Stable = cutNotes{d.Notes, cut}, cutLog{d.Log, cut}, cutShots{d.Snapshots, cut}, cutStable{d.Stable, cut}
	return cut
}

// TestRecoverCutShort: a recovery that dies after any of its changes leaves a directory
// that does not start, until it is asked for again; then it ends with the incarnation
// that it was begun with.
func TestRecoverCutShort(t *testing.T) {
	for at := 0; ; at++ {
		done := false
		inBubble(t, 1, Timing{}, func(t *testing.T, c *cluster) {
			for range 5 {
				c.ask(c.leader(), "write", `[[{"x":{"op":"increment"}}]]`)
			}
			c.kill("a")
			stores := c.stores["a"]
			d, err := store.Open(store.Config{Dir: memoryDir, FS: stores.FS(), Logger: logger(t)})
			require.NoError(t, err)
			cutAfter(d, at)
			begun, err := recovery.Disk(d, recovery.Options{Logger: logger(t)})
			require.NoError(t, d.Close())
			if done = err == nil; !done {
				require.ErrorContains(t, err, errFull.Error())
				raw, err := stores.ReadNote(note.Recovery)
				require.NoError(t, err)
				require.Equal(t, at == 0, raw == nil, "from the first change on it is known that it has begun")
				if at > 0 {
					_, err = Start(t.Context(), Config{ID: "AGNT-a", Listen: "a:1", Network: c.net.Host("a"), Dir: memoryDir, FS: stores.FS()})
					require.ErrorContains(t, err, "run \"stasis agency recover\" on it again")
				}
				got, err := recovery.Recover(recovery.Options{Dir: memoryDir, FS: stores.FS(), Logger: logger(t)})
				require.NoError(t, err)
				if at > 0 {
					require.Equal(t, begun.After, got.After)
				}
			}
			c.start("a")
			require.Equal(t, `200 [{"x":5}]`, c.ask(c.leader(), "read", `[["x"]]`).String())
			require.EqualValues(t, recovery.IndexStep, c.config("a").CommitIndex)
			require.EqualValues(t, 2, c.config("a").Origin.Incarnation)
			c.kill("a")
			_, err = recovery.Recover(recovery.Options{Dir: memoryDir, FS: stores.FS(), DryRun: true, Logger: logger(t)})
			require.NoError(t, err)
		})
		if done {
			require.Greater(t, at, 4, "decision, snapshot, log, origin, learner, decision")
			return
		}
	}
}

// TestJoinWithOldDisk: an agent with a disk from before the recovery asks to join. It is
// told that it is a stranger, and never becomes a member.
func TestJoinWithOldDisk(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		c.ask(c.leader(), "write", `[[{"x":1}]]`)
		time.Sleep(time.Second)
		for _, name := range []string{"a", "b", "c"} {
			c.kill(name)
		}
		_, err := recovery.Recover(recovery.Options{Dir: memoryDir, FS: c.stores["a"].FS()})
		require.NoError(t, err)
		c.start("a")
		require.Equal(t, "a", c.leader())
		b, err := Start(t.Context(), Config{
			ID: "AGNT-b", Listen: "b:1", Join: []string{"a:1"}, Network: c.net.Host("b"), Dir: memoryDir, FS: c.stores["b"].FS(), Logger: logger(t).Named("b"), Timing: c.timing,
		})
		require.NoError(t, err)
		c.agents["b"] = b
		require.ErrorIs(t, c.stopped("b"), origin.ErrStranger)
		require.Len(t, c.members(), 1)
	})
}

// TestCalledBeforeTheRecovery: an agent without a disk was called by a leader, was given
// nothing, and stopped. The agency is recovered meanwhile: it belongs to what it had not
// begun to belong to no more than anybody.
func TestCalledBeforeTheRecovery(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		c.ask(c.leader(), "write", `[[{"x":1}]]`)
		time.Sleep(time.Second)
		before := c.config("a").Origin
		c.wipe("b", "c")
		c.kill("a")
		_, err := recovery.Recover(recovery.Options{Dir: memoryDir, FS: c.stores["a"].FS()})
		require.NoError(t, err)
		require.NoError(t, note.Write(c.stores["b"], note.Learner, learner.Record{Seed: "s"}))
		require.NoError(t, note.Write(c.stores["b"], note.Origin, origin.Founded{Origin: before}))
		c.start("a")
		c.start("b")
		c.voters(2)
		require.EqualValues(t, 2, c.config("b").Origin.Incarnation)
	})
}
