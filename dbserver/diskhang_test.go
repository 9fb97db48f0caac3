package dbserver

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/diskhealth"
	"stasis/dbserver/gate"
	"stasis/internal/apierror"
)

// frozen is a disk on which every write, sync and change of a directory hangs while it is
// frozen. Reads go on.
type frozen struct {
	vfs.FS
	mu     sync.Mutex
	thawed chan struct{} // nil: it is not frozen
	hung   atomic.Int64  // operations that have met the freeze
}

func newFrozen() *frozen {
	f := &frozen{}
	f.FS = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		f.mu.Lock()
		thawed := f.thawed
		f.mu.Unlock()
		if thawed != nil && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			f.hung.Add(1)
			<-thawed
		}
		return nil
	}))
	return f
}

func (f *frozen) freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.thawed = make(chan struct{})
}

func (f *frozen) thaw() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.thawed != nil {
		close(f.thawed)
		f.thawed = nil
	}
}

// onFrozen starts a server on such a disk. The disk is thawed at the end of the test.
func (h *house) onFrozen(name string) (*Server, *frozen) {
	h.t.Helper()
	disk := newFrozen()
	h.fs[name] = disk
	h.disks = append(h.disks, disk)
	return h.start(name), disk
}

func (h *house) health(s *Server) (e keys.HealthEntry) {
	h.t.Helper()
	require.NoError(h.t, h.read(keys.ServerHealth(s.ID())).Decode(&e))
	return e
}

// leader is whom Plan has as the leader of a shard.
func (h *house) leader(cid, name string) string {
	h.t.Helper()
	var servers []string
	require.NoError(h.t, h.read(keys.PlanShard("_system", cid, name)).Decode(&servers))
	return servers[0]
}

// A server whose disk hangs gives its lease up and another leads within a grace period,
// though it goes on sending heartbeats. What was acknowledged stays, other servers' shards
// are served all the time, and the server comes back by itself as a follower.
func TestLeaderWhoseDiskHangsIsReplaced(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, disk := h.onFrozen("db1")
		b := h.start("db2")
		h.replicated("100", "s101", a, b)
		h.replicated("200", "s201", b)
		require.NoError(t, h.put(a, "s101", "before", `{}`))
		time.Sleep(time.Second)

		disk.freeze()
		begun := time.Now()
		var refused time.Duration
		h.await("another leads", func() bool {
			require.NoError(t, h.put(b, "s201", "other", `{}`), "a shard that is led elsewhere")
			if refused == 0 && a.mayLead() != nil {
				refused = time.Since(begun)
			}
			return h.leader("100", "s101") == b.ID()
		})
		require.Less(t, time.Since(begun), 10*time.Second, "within the grace period")
		require.NotZero(t, refused)
		require.Less(t, refused, time.Since(begun), "the lease is refused first")
		require.Positive(t, disk.hung.Load())
		require.ErrorContains(t, a.mayLead(), "the disk of this server hangs since ")
		_, err := h.dbs.Scan(t.Context(), h.target(a), "s101", dbclient.ScanRequest{})
		require.Error(t, err, "it shows nothing any more")
		entry := h.health(a)
		require.Equal(t, keys.StatusFailed, entry.Status)
		require.Contains(t, entry.Disk, "hangs since ")
		require.Equal(t, http.StatusServiceUnavailable, h.status(a.URL()+"/_admin/server/availability"))
		h.await("the new leader serves", func() bool { return b.serves() })
		require.Equal(t, []string{"before"}, h.keysOf(b, "s101"))
		require.NoError(t, h.put(b, "s101", "after", `{}`))

		time.Sleep(time.Minute)
		require.Equal(t, keys.StatusFailed, h.health(a).Status, "its heartbeats make it no better")
		disk.thaw()
		h.await("it is GOOD", func() bool { e := h.health(a); return e.Status == keys.StatusGood && e.Disk == "" })
		h.inSync("100", "s101", b.ID(), a.ID())
		h.alike("s101", a, b)
		require.Equal(t, []string{"after", "before"}, slices.Sorted(slices.Values(h.keysOf(b, "s101"))))
		require.Equal(t, http.StatusOK, h.status(a.URL()+"/_admin/server/availability"))
		h.await("it has its lease again", func() bool { return a.mayLead() == nil })
	})
}

// A follower whose disk hangs leaves the in-sync set, though it answers, and writes go on.
func TestFollowerWhoseDiskHangsLeaves(t *testing.T) {
	for _, how := range []string{"idle", "writing"} {
		t.Run(how, func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *house) {
				a := h.start("db1")
				b, disk := h.onFrozen("db2")
				h.replicated("100", "s101", a, b)
				require.NoError(t, h.put(a, "s101", "before", `{}`))
				time.Sleep(time.Second)
				disk.freeze()
				begun := time.Now()
				if how == "writing" {
					require.NoError(t, h.put(a, "s101", "first", `{}`), "the follower has it in memory")
					time.Sleep(1500 * time.Millisecond)
				} else {
					h.await("it has left", func() bool { return len(h.report("100", "s101").Servers) == 1 })
				}
				require.NoError(t, h.put(a, "s101", "second", `{}`))
				require.Less(t, time.Since(begun), 8*time.Second)
				require.Equal(t, []string{a.ID()}, h.report("100", "s101").Servers)
				require.NoError(t, h.put(a, "s101", "third", `{}`))
				disk.thaw()
				h.inSync("100", "s101", a.ID(), b.ID())
				h.alike("s101", a, b)
			})
		})
	}
}

// Writes without waitForSync are refused within about a second after the last one that
// came onto the disk, and taken again when it answers.
func TestUnsyncedWritesAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s, disk := h.onFrozen("db1")
		h.collection("100", "s101", s)
		require.NoError(t, h.put(s, "s101", "before", `{}`))
		time.Sleep(time.Second)
		disk.freeze()
		begun := time.Now()
		var err error
		acknowledged := 0
		for err == nil && time.Since(begun) < time.Minute {
			if err = h.put(s, "s101", key(acknowledged), `{}`); err == nil {
				acknowledged++
			}
			time.Sleep(50 * time.Millisecond)
		}
		require.ErrorIs(t, err, apierror.ServiceUnavailable)
		require.ErrorContains(t, err, "nothing was written: what was acknowledged here")
		require.ErrorContains(t, err, "the disk has not answered since")
		require.Greater(t, time.Since(begun), 900*time.Millisecond)
		require.Less(t, time.Since(begun), 1300*time.Millisecond)
		require.Len(t, h.keysOf(s, "s101"), acknowledged+1, "it was not applied, and reads go on")
		disk.thaw()
		h.await("writes are taken again", func() bool { return h.put(s, "s101", "again", `{}`) == nil })
		require.Len(t, h.keysOf(s, "s101"), acknowledged+2)
	})
}

// requireFreeGate demands that the gate can be held.
func requireFreeGate(t *testing.T, s *Server) {
	t.Helper()
	lock, err := s.gate.Lock(gate.Claim{Nonce: "n", Attempt: 1, Window: time.Second, Lease: time.Second})
	require.NoError(t, err)
	select {
	case <-lock.Granted():
	case <-lock.Ended():
		require.NoError(t, lock.Err(), "the gate cannot be held")
	}
	s.gate.Release("n", 1)
}

// A write that waits for a disk that hangs leaves the gate: its outcome is unknown.
func TestHangingWriteLeavesTheGate(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s, disk := h.onFrozen("db1")
		h.collection("100", "s101", s)
		require.NoError(t, h.put(s, "s101", "before", `{}`))
		time.Sleep(time.Second)
		disk.freeze()
		begun, to := time.Now(), h.target(s)
		_, err := h.dbs.Documents(t.Context(), to, "s101", dbclient.DocumentsRequest{
			WaitForSync: true, Ops: []dbclient.Op{{Kind: dbclient.OpInsert, Key: "b", Document: json.RawMessage(`{}`)}}})
		require.ErrorIs(t, err, apierror.ConnectionLost)
		require.ErrorContains(t, err, "the outcome is unknown")
		require.Less(t, time.Since(begun), 4*time.Second)
		requireFreeGate(t, s)
		disk.thaw()
		h.await("it serves again", func() bool { return s.serves() && h.put(s, "s101", "c", `{}`) == nil })
	})
}

// Nothing is written on an idle server, and yet its disk is found to be dead. The probe
// stays one small file, and goes with the server.
func TestProbeFindsTheDeadDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s, disk := h.onFrozen("db1")
		time.Sleep(time.Minute)
		probe := "data/" + diskhealth.ProbeFile
		info, err := disk.Stat(probe)
		require.NoError(t, err)
		require.Less(t, info.Size(), int64(64))
		require.Nil(t, s.disk.Hang())
		disk.freeze()
		time.Sleep(4500 * time.Millisecond)
		require.NotNil(t, s.disk.Hang())
		h.await("it is FAILED", func() bool { return h.health(s).Status == keys.StatusFailed })
		disk.thaw()
		h.await("it is GOOD", func() bool { return h.health(s).Status == keys.StatusGood })
		h.stop("db1")
		_, err = disk.Stat(probe)
		require.Error(t, err, "it is removed")
	})
}

// A server that stops ends within a bound, with a message that says why.
func TestStopWithAHangingDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s, disk := h.onFrozen("db1")
		h.collection("100", "s101", s)
		require.NoError(t, h.put(s, "s101", "k", `{}`))
		time.Sleep(time.Second)
		disk.freeze()
		require.NoError(t, h.put(s, "s101", "l", `{}`), "in memory")
		begun := time.Now()
		err := s.Close(t.Context())
		delete(h.up, "db1")
		require.ErrorContains(t, err, "the disk of this server hangs since")
		require.Less(t, time.Since(begun), 20*time.Second)
		disk.thaw()
		time.Sleep(10 * time.Second) // what was left behind ends
		s = h.start("db1")
		require.Equal(t, []string{"k", "l"}, h.keysOf(s, "s101"))
	})
}

// A full disk answers: it does not hang, and the server keeps what it leads.
func TestFullDiskIsNoHang(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		var full atomic.Bool
		h.fs["db1"] = errorfs.Wrap(vfs.NewMem(), fullDisk(&full))
		s := h.start("db1")
		h.collection("100", "s101", s)
		require.NoError(t, h.put(s, "s101", "before", `{}`))
		time.Sleep(time.Second)
		full.Store(true)
		h.await("it refuses", func() bool { return h.put(s, "s101", "k", `{}`) != nil })
		require.ErrorIs(t, h.put(s, "s101", "k", `{}`), apierror.NoSpace)
		for range 60 {
			time.Sleep(time.Second)
			require.Nil(t, s.disk.Hang())
			require.NoError(t, s.mayLead())
		}
		require.Equal(t, keys.StatusGood, h.health(s).Status)
		full.Store(false)
		h.await("it writes", func() bool { return h.put(s, "s101", "k", `{}`) == nil })
	})
}

// The disk answers while the verdict on the server is on its way: the server has taken a
// new lease, so the verdict is refused; or the verdict is there first, and the server knows
// it before it serves. At no moment do two lead.
func TestDiskAnswersWhileTheVerdictIsOnItsWay(t *testing.T) {
	for _, hangs := range []time.Duration{2900, 3000, 3100, 3300, 3600, 4000, 4300, 4600, 5000, 5300, 5600, 6000, 7000} {
		inBubble(t, func(t *testing.T, h *house) {
			a, disk := h.onFrozen("db1")
			b := h.start("db2")
			h.replicated("100", "s101", a, b)
			require.NoError(t, h.put(a, "s101", "k", `{}`))
			time.Sleep(time.Second)
			disk.freeze()
			time.Sleep(hangs * time.Millisecond)
			disk.thaw()
			for range 200 {
				var both sync.WaitGroup
				var serve [2]bool
				for i, s := range []*Server{a, b} {
					both.Go(func() {
						_, err := h.dbs.Count(context.Background(), dbclient.Target{URL: s.URL()}, "s101", dbclient.CountRequest{})
						serve[i] = err == nil
					})
				}
				both.Wait()
				require.False(t, serve[0] && serve[1], "both serve, after a hang of %v", hangs)
				time.Sleep(50 * time.Millisecond)
			}
			h.await("one serves", func() bool { return a.serves() && b.serves() })
			h.alike("s101", a, b)
		})
	}
}

// The lease is given up for good before the heartbeat that tells of the disk is sent: a
// server that hears of nothing afterwards, and whose disk answers, shows nothing of what
// another leads by then.
func TestLeaseIsGivenUpBeforeAnotherLeads(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, disk := h.onFrozen("db1")
		b := h.start("db2")
		h.replicated("100", "s101", a, b)
		require.NoError(t, h.put(a, "s101", "k", `{}`))
		time.Sleep(time.Second)
		disk.freeze()
		begun := time.Now()
		h.await("its word has come", func() bool { return h.health(a).Status != keys.StatusGood })
		for _, link := range [][2]string{{"db1", "agent"}, {"agent", "db1"}, {"db1", "db2"}, {"db2", "db1"}} {
			h.net.Cut(link[0], link[1])
		}
		h.await("another leads", func() bool { return h.leader("100", "s101") == b.ID() })
		require.Less(t, time.Since(begun), 7*time.Second, "the lease would last still")
		disk.thaw()
		for range 50 {
			_, err := h.dbs.Scan(t.Context(), dbclient.Target{URL: a.URL()}, "s101", dbclient.ScanRequest{})
			require.ErrorIs(t, err, apierror.NoLeader)
			time.Sleep(100 * time.Millisecond)
		}
		h.net.HealAll()
		h.inSync("100", "s101", b.ID(), a.ID())
		h.alike("s101", a, b)
	})
}

// fullDisk lets no write succeed while it is full.
func fullDisk(full *atomic.Bool) errorfs.Injector {
	return errorfs.InjectorFunc(func(op errorfs.Op) error {
		grows := op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite || op.Kind == errorfs.OpFilePreallocate
		if full.Load() && grows {
			return &fs.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
		}
		return nil
	})
}
