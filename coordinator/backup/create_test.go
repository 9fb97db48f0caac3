package backup

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client"
	"stasis/client/certificate"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/wait"
)

func TestCreateMakesOneCompleteBackup(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		var steps []event.Name
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			if e.Server == "" {
				steps = append(steps, e.Step)
			}
		}))
		r, err := s.Create(context.Background(), CreateRequest{Label: "first"})
		require.NoError(t, err)
		require.Equal(t, "2000-01-01T00.00.00Z_first", r.ID)
		require.Equal(t, "2000-01-01T00:00:00Z", r.DateTime)
		require.EqualValues(t, 300, r.SizeInBytes)
		require.Equal(t, 6, r.NrFiles)
		require.Equal(t, 3, r.NrDBServers)
		require.False(t, r.PotentiallyInconsistent)
		require.Len(t, r.LockReport.Attempts, 1)
		require.Greater(t, r.LockReport.GateHoldSeconds, r.LockReport.LockHoldSeconds)
		require.Equal(t, []event.Name{
			event.AgencyLock, event.AgencyLocked, event.PlanDump, event.Prepare, event.LockAttempt, event.Locked, event.Cut,
			event.GatesOpened, event.Thawed, event.Linking, event.Verified, event.Sealed, event.Committing, event.Committed, event.Publishing,
		}, steps)
		w.requireBackup("create", r.ID)
	})
}

// A piece alone has the certificate.
func TestCreateSealsTheCertificateIntoEveryPiece(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		r := w.create("sealed")
		var commit keys.Commit
		require.NoError(t, w.agency.root().At(keys.HotBackupCommit(r.ID)).Decode(&commit))
		for id, s := range w.servers {
			p := s.pieces[r.ID]
			cert, err := certificate.Parse(p.cert)
			require.NoError(t, err)
			hash, err := certificate.Hash(p.cert)
			require.NoError(t, err)
			require.Equal(t, commit.CertificateSHA256, hash)
			require.Empty(t, cert.Problems())
			require.Equal(t, "cluster-uuid", cert.Agency.ClusterID)
			require.EqualValues(t, 5, cert.Agency.Term)
			require.Positive(t, cert.Agency.Index)
			require.Equal(t, p.meta.ManifestSHA256, cert.Servers[id].Piece.ManifestSHA256)
			require.NotEmpty(t, cert.History.Steps)
			require.Equal(t, r.LockReport, cert.History.Lock, "the lock report is kept with the backup")
			plan, err := topology.ParseDump(listOn(t, s, r.ID).AgencyDump.Dump)
			require.NoError(t, err)
			require.ElementsMatch(t, threeServers, plan.DBServers)
			require.EqualValues(t, 1000, plan.LatestID)
		}
	})
}

func listOn(t *testing.T, s *fakeServer, id string) dbclient.PieceDetail {
	t.Helper()
	pieces := s.list(dbclient.ListRequest{IDs: []string{id}, WithDetails: true}).Pieces
	require.Len(t, pieces, 1)
	return pieces[0]
}

func TestSameSecondTakesTheNext(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		taken := "2000-01-01T00.00.00Z_label"
		w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupCommit(taken): keys.Commit{ID: taken, Nonce: "n"}}})
		w.servers["PRMR-2"].pieces["2000-01-01T00.00.01Z_label"] = &fakePiece{} // a piece of something not committed here
		r := w.create("label")
		require.Equal(t, "2000-01-01T00.00.02Z_label", r.ID)
	})
}

func TestCreateRefusesBadLabels(t *testing.T) {
	s := New(Options{})
	for _, label := range []string{"a/b", "a..b", "..\\x", "a b", "ü", "a:b", strings.Repeat("x", 200)} {
		_, err := s.Create(context.Background(), CreateRequest{Label: label})
		require.ErrorIs(t, err, apierror.BadParameter, label)
	}
}

// A writer writes n to one server and, when that is acknowledged, n to the next:
// a backup that has the later write must have the earlier one. With the gates every
// backup shows that; without them some do not. The second half shows that this
// test can fail.
func TestBackupIsOneInstantAndWithoutLocksIsNot(t *testing.T) {
	torn := func(t *testing.T, mode client.LockMode) (broken int) {
		inWorld(t, threeServers, func(w *world) {
			for _, s := range w.servers { // the cuts happen one after the other
				s.quirk(func(q *quirks) {
					for i := range 5 {
						q.cutTime = append(q.cutTime, time.Duration(i*int(s.id[5]-'0'))*10*time.Millisecond)
					}
				})
			}
			ctx, stop := context.WithCancel(context.Background())
			var writer sync.WaitGroup
			writer.Go(func() {
				for n := 1; ctx.Err() == nil; n++ {
					for _, id := range threeServers {
						_ = w.servers[id].write(ctx, n)
						_ = wait.For(ctx, time.Millisecond)
					}
				}
			})
			for range 5 {
				none := mode == client.LockModeNone
				r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{LockMode: mode, AllowInconsistent: none})
				require.NoError(t, err)
				require.Equal(t, none, r.PotentiallyInconsistent)
				value := func(id string) int { return w.servers[id].pieces[r.ID].value }
				if value("PRMR-1") < value("PRMR-2") || value("PRMR-2") < value("PRMR-3") {
					broken++
				}
			}
			stop()
			writer.Wait()
		})
		return broken
	}
	require.Zero(t, torn(t, client.LockModeTransactions))
	require.Zero(t, torn(t, client.LockModeCommits))
	require.Positive(t, torn(t, client.LockModeNone), "the checker does not see what lock mode none breaks")
}
