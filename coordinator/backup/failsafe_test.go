package backup

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/topology"
	"stasis/internal/apierror"
)

// running starts the background work of both coordinators; the result ends it.
func (w *world) running() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, id := range []string{coordinatorA, coordinatorB} {
		group.Go(func() { _ = w.service(id).Run(ctx) })
	}
	return func() { cancel(); group.Wait() }
}

// restored restores a backup, and gives the failsafe. A second later, so that the next
// restore has another.
func (w *world) restored(id string) (failsafe string) {
	w.t.Helper()
	r, err := w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: id})
	require.NoError(w.t, err)
	time.Sleep(time.Second)
	return r.Previous
}

// restoredBut restores while a server stands still: the restore is committed, and given up
// waiting for.
func (w *world) restoredBut(id, server string, until time.Duration) (failsafe string) {
	w.t.Helper()
	w.servers[server].quirk(func(q *quirks) { q.slowSwap = until })
	_, err := w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: id})
	require.ErrorIs(w.t, err, apierror.BackupRestore)
	return w.agency.root().At(keys.HotBackupRestore + "/previous").Text()
}

// entries is what the list says of all backups.
func (w *world) entries() map[string]Entry {
	w.t.Helper()
	r, err := w.service(coordinatorB).List(context.Background(), ListRequest{})
	require.NoError(w.t, err)
	return r.List
}

// When the new failsafe is whole, the failsafe of the restore before leaves every list at
// once, on every coordinator.
func TestFailsafeIsReplaced(t *testing.T) {
	restorable(t, func(w *world, id string) {
		first := w.restored(id)
		second := w.restored(id)
		require.ElementsMatch(t, []string{id, first, second}, w.listed(), "no coordinator lives that would delete it")
		require.True(t, w.entries()[first].Available)
		defer w.running()()
		time.Sleep(time.Second)
		require.ElementsMatch(t, []string{id, second}, w.listed())
		require.False(t, w.agency.root().At(keys.HotBackupOlder).Exists())
		require.EqualValues(t, 1, topology.Number(w.agency.root().At(keys.HotBackupDeletes)), "once, by one of two coordinators")
		for name, s := range w.servers {
			require.ElementsMatch(t, []string{id, second}, s.pieceIDs(), name)
			require.Zero(t, w.agency.root().At(keys.HotBackupDeleted+"/"+name).Len())
		}
	})
}

// A server stands still during a restore: its failsafe is listed in part and says who is
// missing. The older one stays, and can be restored, until the newer is whole.
func TestOlderFailsafeStaysUntilTheNewerIsWhole(t *testing.T) {
	restorable(t, func(w *world, id string) {
		defer w.running()()
		first := w.restored(id)
		second := w.restoredBut(id, "PRMR-2", time.Hour)
		list := w.entries()
		require.Len(t, list, 3)
		require.True(t, list[first].Available, "%+v", list[first])
		require.False(t, list[second].Available)
		require.Equal(t, 2, list[second].NrPiecesPresent)
		require.Equal(t, 3, list[second].NrDBServers)
		require.Equal(t, []string{"PRMR-2"}, list[second].Missing)
		time.Sleep(time.Hour)
		list = w.entries()
		require.Len(t, list, 2)
		require.True(t, list[second].Available, "%+v", list[second])
		require.Empty(t, list[second].Missing)
	})
}

// A server that never comes back keeps the older failsafe until it is removed.
func TestOlderFailsafeGoesWithTheServer(t *testing.T) {
	restorable(t, func(w *world, id string) {
		defer w.running()()
		first := w.restored(id)
		second := w.restoredBut(id, "PRMR-2", 1000*time.Hour)
		time.Sleep(100 * time.Hour)
		require.Contains(t, w.listed(), first)
		w.removeServer("PRMR-2")
		time.Sleep(time.Second)
		require.ElementsMatch(t, []string{id, second}, w.listed())
		require.False(t, w.agency.root().At(keys.HotBackupDeleted+"/PRMR-2").Exists(), "a tombstone that no server would remove")
	})
}

// A restore that follows one which is not whole keeps the failsafes of both, and while the
// agency lock is held none goes: it may be what is restored.
func TestFailsafesOfSeveralRestores(t *testing.T) {
	restorable(t, func(w *world, id string) {
		first := w.restored(id)
		second := w.restored(first)
		require.Equal(t, []string{first}, w.older())
		third := w.restored(id)
		require.Equal(t, []string{first, second}, w.older())
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: "t", keys.HotBackupHolder: keys.Holder{ID: first, Operation: keys.OperationRestore, Nonce: "n"}}})
		before, _ := w.faults.over()
		defer w.running()()
		time.Sleep(time.Minute)
		after, _ := w.faults.over()
		require.Equal(t, before, after, "they wait, and ask nothing")
		require.ElementsMatch(t, []string{id, first, second, third}, w.listed())
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: agencyclient.Delete(), keys.HotBackupHolder: agencyclient.Delete()}})
		time.Sleep(time.Second)
		require.ElementsMatch(t, []string{id, third}, w.listed())
	})
}

func (w *world) older() (ids []string) {
	w.t.Helper()
	require.NoError(w.t, w.agency.root().At(keys.HotBackupOlder).Decode(&ids))
	slices.Sort(ids)
	return ids
}

// Calls of the agency that fail, at any point: the older failsafe goes whole, once.
func TestFailsafeIsReplacedWhateverFails(t *testing.T) {
	for _, how := range []mode{refused, lost, vanished} {
		for n, fired := 0, "first"; fired != ""; n++ {
			restorable(t, func(w *world, id string) {
				w.restored(id)
				second := w.restored(id)
				w.faults.failAt, w.faults.mode = len(w.faults.calls)+n, how
				ctx, cancel := context.WithCancel(context.Background())
				var group sync.WaitGroup
				group.Go(func() { w.service(coordinatorA).recovery.Run(ctx) })
				time.Sleep(time.Minute)
				_, fired = w.faults.over()
				time.Sleep(time.Minute)
				cancel()
				group.Wait()
				require.ElementsMatch(t, []string{id, second}, w.listed(), fired)
				require.EqualValues(t, 1, topology.Number(w.agency.root().At(keys.HotBackupDeletes)), fired)
			})
		}
	}
}
