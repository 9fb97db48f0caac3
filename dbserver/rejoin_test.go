package dbserver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
)

// removed takes a server that is down out of the cluster, as coordinators do.
func (h *house) removed(id string, deletes any) {
	h.t.Helper()
	ops := map[string]any{keys.ServerRemoved(id): "2026-01-01T00:00:00Z"}
	if deletes != nil {
		ops[keys.Departed(id)] = deletes
	}
	for _, key := range []string{
		keys.PlanDBServers + "/" + id, keys.CurrentDBServers + "/" + id, keys.ServerRegistered(id), keys.ServerKnown(id),
		keys.ShortIDs + "/" + id, keys.HotBackupDeleted + "/" + id,
	} {
		ops[key] = agencyclient.Delete()
	}
	h.write(ops, nil)
}

// forgotten deletes backups while no member has a piece of them.
func (h *house) forgotten(ids ...string) {
	h.t.Helper()
	ops := map[string]any{keys.HotBackupDeletes: agencyclient.Increment(1)}
	for _, id := range ids {
		ops[keys.HotBackupCommit(id)] = agencyclient.Delete()
	}
	h.write(ops, nil)
}

// A server that was removed comes back with its directory. Its pieces are listed again if
// no backup was deleted since; otherwise only those that the agency's records vouch for. A
// piece without a record (here "loaded", as after a download) cannot be told from one of a deleted backup.
func TestComesBackWithItsPieces(t *testing.T) {
	for name, c := range map[string]struct {
		deletes any
		meet    func(h *house)
		want    []string
	}{
		"nothing was deleted":  {3, func(*house) {}, []string{"b1", "b2", "loaded"}},
		"a backup was deleted": {3, func(h *house) { h.forgotten("b2") }, []string{"b1"}},
		"another's was":        {3, func(h *house) { h.forgotten("other") }, []string{"b1", "b2"}},
		"one id, another backup": {3, func(h *house) {
			h.forgotten("b2")
			h.write(commitOf("b2", "another-nonce"), nil)
		}, []string{"b1"}},
		"pieces had to go when it was removed": {nil, func(h *house) { h.write(map[string]any{keys.HotBackupCommit("b2"): agencyclient.Delete()}, nil) }, []string{"b1"}},
		"it was removed by an earlier version": {nil, func(*house) {}, []string{"b1", "b2"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *house) {
				s := h.start("db1")
				for _, id := range []string{"b1", "b2", "loaded"} {
					h.backup(s, id)
				}
				h.write(map[string]any{keys.HotBackupCommit("loaded"): agencyclient.Delete(), keys.HotBackupDeletes: 3}, nil)
				h.stop("db1")
				h.removed(s.ID(), c.deletes)
				c.meet(h)
				s = h.start("db1")
				require.Equal(t, c.want, h.listed(s))
				require.True(t, h.read(keys.PlanDBServers+"/"+s.ID()).Exists())
				require.False(t, h.read(keys.ServerRemoved(s.ID())).Exists(), "a member is not called removed")
				require.False(t, h.read(keys.Departed(s.ID())).Exists())
				h.stop("db1")
				h.forgotten("none")
				s = h.start("db1")
				require.Equal(t, c.want, h.listed(s), "a member is told what is deleted")
			})
		})
	}
}

// A backup is deleted after the server that comes back has looked at its pieces, before it
// is a member: it looks again.
func TestDeletedWhileItComesBack(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.backup(s, "b1")
		h.backup(s, "b2")
		h.write(map[string]any{keys.HotBackupDeletes: 3}, nil)
		h.stop("db1")
		h.removed(s.ID(), 3)
		h.lock("b3", "n") // it has to wait for the thaw
		started := make(chan error, 1)
		go func() {
			_, err := h.tryStart("db1")
			started <- err
		}()
		h.eventually(keys.ServerKnown(s.ID()), (*agencyclient.Node).Exists)
		time.Sleep(5 * time.Second)
		require.False(t, h.read(keys.PlanDBServers+"/"+s.ID()).Exists())
		h.forgotten("b1")
		h.unlock("n", nil)
		require.NoError(t, <-started)
		require.Equal(t, []string{"b2"}, h.listed(h.up["db1"]))
		require.True(t, h.read(keys.PlanDBServers+"/"+s.ID()).Exists())
	})
}
