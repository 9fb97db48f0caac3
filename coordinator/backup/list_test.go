package backup

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client/certificate"
	"stasis/internal/apierror"
)

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

// A server that has joined since takes nothing away from a backup: a restore gives it
// an empty engine.
func TestBackupStaysAvailableWhenAServerJoins(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		id := w.create("x").ID
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.PlanDBServers + "/PRMR-4": "none", keys.ServerRegistered("PRMR-4"): keys.Registered{Endpoint: "tcp://PRMR-4:1"}}})
		w.servers["PRMR-4"] = newFakeServer("PRMR-4", w.agency, w.faults)
		r, err := w.service(coordinatorB).List(context.Background(), ListRequest{})
		require.NoError(t, err)
		require.Equal(t, 3, r.List[id].NrPiecesPresent)
		require.True(t, r.List[id].Available)
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.PlanDBServers + "/PRMR-3": agencyclient.Delete()}})
		r, err = w.service(coordinatorB).List(context.Background(), ListRequest{})
		require.NoError(t, err)
		require.False(t, r.List[id].Available, "its third piece is not there")
	})
}

// listed are the ids that a list has, asked at the other coordinator.
func (w *world) listed() []string {
	w.t.Helper()
	r, err := w.service(coordinatorB).List(context.Background(), ListRequest{})
	require.NoError(w.t, err)
	return slices.Sorted(maps.Keys(r.List))
}

// A server that is down when a backup is deleted does not bring it back: it is listed
// nowhere from then on, and the server removes its piece when it is there again.
func TestDeleteWithoutADeadServer(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		id := w.create("x").ID
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.ShortIDs + "/PRMR-2": keys.ShortID{ShortName: "DBServer0002"}}})
		away := w.servers["PRMR-2"]
		away.quirk(func(q *quirks) { q.deaf = true })
		r, err := w.service(coordinatorA).Delete(context.Background(), id)
		require.NoError(t, err)
		require.Equal(t, DeleteResult{ID: []string{id}, Pending: []string{"PRMR-2"}, ShortNames: map[string]string{"PRMR-2": "DBServer0002"}}, r)
		require.Equal(t, "DBServer0002 (PRMR-2)", r.Named(r.Pending))
		require.Empty(t, w.listed())
		require.Empty(t, w.servers["PRMR-1"].pieceIDs())
		_, err = w.service(coordinatorB).Delete(context.Background(), id)
		require.ErrorIs(t, err, apierror.NotFound)
		require.ErrorContains(t, err, "PRMR-2")

		// It answers again and has not seen the agency's word yet.
		away.quirk(func(q *quirks) { q.deaf, q.behind = false, true })
		require.Equal(t, []string{id}, away.pieceIDs())
		require.Empty(t, w.listed())
		_, err = w.service(coordinatorB).List(context.Background(), ListRequest{IDs: []string{id}})
		require.ErrorIs(t, err, apierror.NotFound)
		_, err = w.service(coordinatorB).Verify(context.Background(), id)
		require.ErrorIs(t, err, apierror.NotFound)
		_, err = w.service(coordinatorB).Restore(context.Background(), RestoreRequest{ID: id})
		require.ErrorIs(t, err, apierror.NotFound)
		away.quirk(func(q *quirks) { q.behind = false })
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.LatestID: agencyclient.Increment(1)}})
		time.Sleep(time.Second)
		w.requireClean("it is back")
		require.Zero(t, w.agency.root().At(keys.HotBackupDeleted+"/PRMR-2").Len())
	})
}

// A server that lost its directory has a successor at its address. Who is asked there
// is not who is meant, and what it has counts once.
func TestServerWhoseAddressHasAnother(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		id := w.create("x").ID
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{
			keys.PlanDBServers + "/PRMR-0": "none", keys.ServerRegistered("PRMR-0"): keys.Registered{Endpoint: "tcp://PRMR-2:1"},
		}})
		r, err := w.service(coordinatorB).List(context.Background(), ListRequest{})
		require.NoError(t, err)
		require.Equal(t, []string{"PRMR-0"}, r.Unreachable)
		require.Equal(t, 3, r.List[id].NrPiecesPresent)
		_, err = w.service(coordinatorB).Create(context.Background(), CreateRequest{})
		require.ErrorIs(t, err, apierror.ServiceUnavailable)
		require.ErrorContains(t, err, "DB server PRMR-0 is not at PRMR-2:1 any more, PRMR-2 is there")
		_, err = w.service(coordinatorB).Restore(context.Background(), RestoreRequest{ID: id})
		require.ErrorIs(t, err, apierror.ServiceUnavailable)
		require.ErrorContains(t, err, "stasis cluster remove PRMR-0")
		require.False(t, w.agency.root().At(keys.HotBackupCreate).Exists())
	})
}

// A backup without a record (a failsafe, a download) is deleted as whole as any other.
func TestDeleteOfAFailsafe(t *testing.T) {
	restorable(t, func(w *world, id string) {
		restored, err := w.service(coordinatorA).Restore(context.Background(), RestoreRequest{ID: id})
		require.NoError(t, err)
		w.servers["PRMR-2"].quirk(func(q *quirks) { q.deaf = true })
		r, err := w.service(coordinatorA).Delete(context.Background(), restored.Previous)
		require.NoError(t, err)
		require.Equal(t, []string{"PRMR-2"}, r.Pending)
		require.Equal(t, []string{id}, w.listed())
		// It cannot be found out whether the dead server has a piece of this one.
		_, err = w.service(coordinatorA).Delete(context.Background(), "2000-01-01T00.00.00Z_nope")
		require.ErrorIs(t, err, apierror.ServiceUnavailable)
		require.ErrorContains(t, err, "PRMR-2")
	})
}

// A coordinator that dies at any step of a delete, and a client that leaves: the
// backup is whole, or listed nowhere and gone soon. No second delete is needed.
func TestDeleteIsAllOrNothingAtEveryCall(t *testing.T) {
	for _, how := range []mode{refused, lost, vanished} {
		undone, done := 0, 0
		for n, fired := 0, "first"; fired != ""; n++ {
			inWorld(t, threeServers, func(w *world) {
				id := w.create("x").ID
				w.faults.failAt, w.faults.mode = len(w.faults.calls)+n, how
				_, err := w.service(coordinatorA).Delete(context.Background(), id)
				fired, w.faults.failAt = w.faults.fired, -1
				listed := w.listed()
				if len(listed) > 0 {
					require.Error(t, err, fired)
					w.requireBackup(fired, id)
					undone++
					return
				}
				done++
				time.Sleep(time.Second)
				w.requireClean(fired)
			})
		}
		require.Positive(t, done)
		require.Positive(t, undone)
	}
}

// A list beside a delete has the whole backup or nothing of it.
func TestListBesideADelete(t *testing.T) {
	partial := 0
	for delay := range 30 {
		inWorld(t, threeServers, func(w *world) {
			id := w.create("x").ID
			for i, server := range threeServers {
				w.servers[server].quirk(func(q *quirks) { q.behind, q.slowDelete = true, time.Duration(i)*5*time.Millisecond })
			}
			deleted := make(chan error, 1)
			w.servers["PRMR-1"].quirk(func(q *quirks) { q.slowList = time.Duration(delay%2) * 30 * time.Millisecond })
			go func() {
				time.Sleep(10 * time.Millisecond)
				_, err := w.service(coordinatorA).Delete(context.Background(), id)
				deleted <- err
			}()
			time.Sleep(time.Duration(delay) * time.Millisecond)
			r, err := w.service(coordinatorB).List(context.Background(), ListRequest{})
			require.NoError(t, err)
			if e, there := r.List[id]; there {
				require.True(t, e.Available, "%d ms: %+v", delay, e)
				require.Equal(t, 3, e.NrPiecesPresent)
			}
			if n := len(w.servers["PRMR-1"].pieceIDs()) + len(w.servers["PRMR-2"].pieceIDs()) + len(w.servers["PRMR-3"].pieceIDs()); n == 1 || n == 2 {
				partial++
			}
			require.NoError(t, <-deleted)
		})
	}
	require.Positive(t, partial, "no list was made while the pieces went")
}

// A backup that was deleted can be downloaded again when its old pieces are gone, no
// sooner: the new piece would go with the old one.
func TestDownloadWaitsForTheDeletion(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		id := w.create("x").ID
		w.servers["PRMR-2"].quirk(func(q *quirks) { q.deaf = true })
		s := w.service(coordinatorA, withMovers(&carriers{a: w.agency, away: map[string]bool{}}))
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { _ = s.Run(ctx) })
		defer running.Wait()
		defer stop()
		_, err := s.Delete(context.Background(), id)
		require.NoError(t, err)
		_, err = s.transfers.Start(context.Background(), transferOf(id))
		require.ErrorIs(t, err, apierror.BackupConflict)
		require.ErrorContains(t, err, "PRMR-2")
		w.servers["PRMR-2"].quirk(func(q *quirks) { q.deaf = false })
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.LatestID: agencyclient.Increment(1)}})
		time.Sleep(time.Second)
		_, err = s.transfers.Start(context.Background(), transferOf(id))
		require.NoError(t, err)
	})
}

func TestVerifyFindsWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(w *world, id string)
		says  string
	}{
		"damaged file":        {func(w *world, id string) { w.servers["PRMR-2"].quirk(func(q *quirks) { q.damaged = true }) }, "PRMR-2: 000007.sst: has another hash"},
		"piece gone":          {func(w *world, id string) { delete(w.servers["PRMR-2"].pieces, id) }, "the pieces of PRMR-2 are missing"},
		"server down":         {func(w *world, id string) { w.faults.breakCalls(func(c string) bool { return c == "verify PRMR-2" }) }, "DB server PRMR-2 does not answer at PRMR-2:1: start it, or remove it with stasis cluster remove PRMR-2"},
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
		pieces := map[string]certificate.Sealed{}
		for name, s := range w.servers {
			pieces[name] = certificate.Sealed{Piece: s.pieces[id].meta, Certificate: s.pieces[id].cert}
		}
		cert, problems := certificate.Examine(pieces, "")
		require.Empty(t, problems)
		require.Equal(t, id, cert.ID)
		delete(pieces, "PRMR-2")
		_, problems = certificate.Examine(pieces, "")
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
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.TransferJobKey("77"): job}})
		_, listed := list()
		require.True(t, listed, "it is whole")
		w.servers["PRMR-3"].quirk(func(q *quirks) { q.deaf = true })
		_, listed = list()
		require.False(t, listed)
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.TransferEntryKey("77", "PRMR-3") + "/Status": keys.TransferFailed}})
		e, listed := list()
		require.True(t, listed)
		require.False(t, e.Available)
	})
}
