package backup

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	dbserver "stasis/dbserver/client"
	"stasis/internal/apierror"
)

func restoreRecord() keys.Restore { return keys.Restore{Epoch: 1, Nonce: "n"} }

// A server that is down does not hold the list up: its pieces are missing.
func TestListAnswersWithoutADeadServer(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		id := w.create("x").ID
		w.servers["PRMR-3"].quirk(func(q *quirks) { q.deaf = true })
		for _, request := range []ListRequest{{}, {IDs: []string{id}}} {
			begun := time.Now()
			r, err := w.service(coordinatorB).List(context.Background(), request)
			require.NoError(t, err)
			require.InDelta(t, 2, time.Since(begun).Seconds(), 0.1)
			require.Equal(t, []string{"PRMR-3"}, r.Unreachable)
			e := r.List[id]
			require.Equal(t, 2, e.NrPiecesPresent)
			require.Equal(t, 3, e.NrDBServers)
			require.False(t, e.Available)
			require.Equal(t, []string{"PRMR-3"}, e.Missing)
		}
		for _, s := range w.servers {
			s.quirk(func(q *quirks) { q.deaf = true })
		}
		_, err := w.service(coordinatorB).List(context.Background(), ListRequest{})
		require.ErrorIs(t, err, apierror.BackupServersMissing)
	})
}

// The agency is needed for the latest word only.
func TestListGoesByTheCacheWithoutTheAgency(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		id := w.create("x").ID
		w.faults.breakCalls(func(c string) bool { return c == "cache sync" })
		r, err := w.service(coordinatorB).List(context.Background(), ListRequest{})
		require.NoError(t, err)
		require.True(t, r.List[id].Available)
	})
}

func TestAvailableNeedsAsManyServersAsPieces(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		id := w.create("x").ID
		w.agency.must(t, agency.Tx{Ops: map[string]any{keys.PlanDBServers + "/PRMR-4": "none", keys.ServerRegistered("PRMR-4"): keys.Registered{Endpoint: "tcp://PRMR-4:1"}}})
		w.servers["PRMR-4"] = newFakeServer("PRMR-4", w.agency, w.faults)
		r, err := w.service(coordinatorB).List(context.Background(), ListRequest{})
		require.NoError(t, err)
		require.Equal(t, 3, r.List[id].NrPiecesPresent)
		require.False(t, r.List[id].Available)
	})
}

// A server that cannot be reached is named after the others have deleted theirs;
// deleting again finishes.
func TestDeleteNamesTheUnreachableAndCanBeRepeated(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		id := w.create("x").ID
		w.faults.breakCalls(func(c string) bool { return c == "delete PRMR-2" })
		err := w.service(coordinatorB).Delete(context.Background(), id)
		require.ErrorIs(t, err, apierror.BackupServersMissing)
		require.Equal(t, 400, statusOf(err))
		require.ErrorContains(t, err, "PRMR-2")
		require.Empty(t, w.servers["PRMR-1"].pieceIDs())
		require.Empty(t, w.servers["PRMR-3"].pieceIDs())
		require.True(t, w.agency.root().At(keys.HotBackupCommit(id)).Exists())

		w.faults.breakCalls(nil)
		require.NoError(t, w.service(coordinatorB).Delete(context.Background(), id))
		w.requireClean("deleted")
		require.ErrorIs(t, w.service(coordinatorB).Delete(context.Background(), id), apierror.NotFound)
	})
}

// Every call of a delete fails once; doing it again always finishes it.
func TestDeleteCanBeRepeatedAfterAnyFailure(t *testing.T) {
	for _, how := range []mode{refused, lost} {
		for n, fired := 0, "first"; fired != ""; n++ {
			inWorld(t, threeServers, func(w *world) {
				id := w.create("x").ID
				w.faults.failAt, w.faults.mode = len(w.faults.calls)+n, how
				err := w.service(coordinatorA).Delete(context.Background(), id)
				fired, w.faults.failAt = w.faults.fired, -1
				if fired != "" {
					require.Error(t, err, fired)
					if err := w.service(coordinatorA).Delete(context.Background(), id); err != nil {
						require.ErrorIs(t, err, apierror.NotFound, fired)
					}
				}
				w.requireClean(fired)
			})
		}
	}
}

func TestVerifyFindsWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(w *world, id string)
		says  string
	}{
		"damaged file":        {func(w *world, id string) { w.servers["PRMR-2"].quirk(func(q *quirks) { q.damaged = true }) }, "PRMR-2: 000007.sst: has another hash"},
		"piece gone":          {func(w *world, id string) { delete(w.servers["PRMR-2"].pieces, id) }, "the pieces of PRMR-2 are missing"},
		"server down":         {func(w *world, id string) { w.faults.breakCalls(func(c string) bool { return c == "verify PRMR-2" }) }, "PRMR-2: injected"},
		"other manifest":      {func(w *world, id string) { w.servers["PRMR-2"].pieces[id].meta.ManifestSHA256 = "x" }, "PRMR-2: the manifest is not the one that was certified"},
		"certificate swapped": {func(w *world, id string) { w.servers["PRMR-2"].pieces[id].cert = json.RawMessage(`{"format":1}`) }, "the certificate of PRMR-2 is not that of the backup"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				id := w.create("x").ID
				c.spoil(w, id)
				r, err := w.service(coordinatorB).Verify(context.Background(), id)
				require.NoError(t, err)
				require.False(t, r.Intact)
				require.Contains(t, r.Problems, c.says)
			})
		})
	}
}

func TestVerifyOfAFailsafe(t *testing.T) {
	restorable(t, func(w *world, id string) {
		restored, err := w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: id})
		require.NoError(t, err)
		r, err := w.service(coordinatorA).Verify(context.Background(), restored.Previous)
		require.NoError(t, err)
		require.True(t, r.Intact, r.Problems)
		require.Nil(t, r.Certificate)
		delete(w.servers["PRMR-1"].pieces, restored.Previous)
		r, err = w.service(coordinatorA).Verify(context.Background(), restored.Previous)
		require.NoError(t, err)
		require.False(t, r.Intact)
	})
}

func TestCheckOffline(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		id := w.create("x").ID
		pieces, certificates := map[string]dbserver.Piece{}, map[string]json.RawMessage{}
		for name, s := range w.servers {
			pieces[name], certificates[name] = s.pieces[id].meta, s.pieces[id].cert
		}
		certificate, problems := CheckOffline(pieces, certificates)
		require.Empty(t, problems)
		require.Equal(t, id, certificate.ID)
		delete(pieces, "PRMR-2")
		_, problems = CheckOffline(pieces, certificates)
		require.Equal(t, []string{"the piece of PRMR-2 is missing"}, problems)
	})
}

// A backup that is being downloaded is not listed before it is whole, though some
// servers have their pieces; when the download is over it is, whatever it is.
func TestListLeavesOutWhatIsBeingDownloaded(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		id := w.create("x").ID
		list := func() (Entry, bool) {
			r, err := w.service(coordinatorB).List(context.Background(), ListRequest{})
			require.NoError(t, err)
			e, ok := r.List[id]
			return e, ok
		}
		job := keys.TransferJob{BackupID: id, Kind: keys.TransferDownload, DBServers: map[string]keys.TransferEntry{"PRMR-3": {Status: keys.TransferStarted}}}
		w.agency.must(t, agency.Tx{Ops: map[string]any{keys.TransferJobKey("77"): job}})
		_, listed := list()
		require.True(t, listed, "it is whole")
		w.servers["PRMR-3"].quirk(func(q *quirks) { q.deaf = true })
		_, listed = list()
		require.False(t, listed)
		w.agency.must(t, agency.Tx{Ops: map[string]any{keys.TransferEntryKey("77", "PRMR-3") + "/Status": keys.TransferFailed}})
		e, listed := list()
		require.True(t, listed)
		require.False(t, e.Available)
	})
}
