package backup

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/client/certificate"
	"stasis/dbserver/gate"
	"stasis/event"
	"stasis/internal/apierror"
)

// The lock mode of a create is that of its gates, and it is in its answer, its events, its certificate, its pieces, and the
// list.
func TestLockModeOfABackup(t *testing.T) {
	for asked, held := range map[client.LockMode]client.LockMode{
		"": client.LockModeTransactions, client.LockModeTransactions: client.LockModeTransactions, client.LockModeCommits: client.LockModeCommits,
	} {
		t.Run("mode "+string(asked), func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				modes := map[event.Name]string{}
				s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
					if e.LockMode != "" {
						modes[e.Step] = e.LockMode
					}
				}))
				r, err := s.Create(context.Background(), CreateRequest{LockMode: asked})
				require.NoError(t, err)
				require.Equal(t, held, r.LockReport.LockMode)
				require.Equal(t, map[event.Name]string{event.LockAttempt: string(held), event.Locked: string(held)}, modes)
				cert, err := certificate.Parse(listOn(t, w.servers["PRMR-1"], r.ID).Certificate)
				require.NoError(t, err)
				require.Empty(t, cert.Problems())
				require.Equal(t, held, cert.Instant.Mode())
				require.Equal(t, held, cert.History.Lock.LockMode)
				for id, e := range cert.Servers {
					require.Equal(t, held, e.Gate.LockMode, id)
				}
				w.requireListedAs(r.ID, held)
				w.requireBackup("mode", r.ID)
			})
		})
	}
}

func (w *world) requireListedAs(id string, mode client.LockMode) {
	w.t.Helper()
	listed, err := w.service(coordinatorA).List(context.Background(), ListRequest{})
	require.NoError(w.t, err)
	require.Equal(w.t, mode, listed.List[id].LockMode)
	for _, s := range w.servers {
		require.Equal(w.t, mode, s.pieces[id].meta.LockMode)
	}
}

// In mode none no gate is asked for, whatever is inside, and the backup is marked wherever it is looked for.
func TestModeNoneTakesNoGate(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		leave, err := w.servers["PRMR-2"].gate.Enter(context.Background()) // a write that does not end
		require.NoError(t, err)
		defer leave()
		var steps []event.Name
		var why string
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			steps = append(steps, e.Step)
			if e.Step == event.Unprotected {
				why = e.Detail + ", " + e.LockMode
			}
		}))
		begun := time.Now()
		r, err := s.Create(context.Background(), CreateRequest{LockMode: client.LockModeNone, AllowInconsistent: true})
		require.NoError(t, err)
		require.Less(t, time.Since(begun), 10*time.Second)
		require.NotContains(t, steps, event.LockAttempt)
		require.Equal(t, "lock mode none was asked for, none", why)
		require.Empty(t, r.LockReport.Attempts)
		require.Equal(t, client.LockModeNone, r.LockReport.LockMode)
		w.requireMarked(r)
		w.requireListedAs(r.ID, client.LockModeNone)
		for id, server := range w.servers {
			require.Zero(t, server.gate.Release(server.pieces[r.ID].nonce, 1).Mode, "%s: its gate was asked for", id)
		}
		verified, err := s.Verify(context.Background(), r.ID)
		require.NoError(t, err)
		require.True(t, verified.PotentiallyInconsistent)
		require.Equal(t, certificate.LockModeNone, verified.Certificate.Instant.LockMode)
		require.Equal(t, []string{"the global lock was not held (lock mode none, as it was asked for)"}, verified.Certificate.Problems())
	})
}

// A request for no lock has to say that the backup may be inconsistent. What is no lock mode is refused with those
// that are.
func TestModeNoneNeedsConsent(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		for body, says := range map[string]string{
			`{"lockMode":"none"}`:  "it needs allowInconsistent",
			`{"lockMode":"gates"}`: `lock mode "gates" is unknown: want transactions, commits or none`,
		} {
			r := w.post("create", body)
			require.Equal(t, 400, r.status, "a torn backup is made for who has not asked for it")
			require.Equal(t, int(apierror.BadParameter), r.ErrorNum)
			require.Contains(t, r.Message, says)
		}
		w.requireClean("refused")
	})
}

// When the lock cannot be had, the certificate says which mode was asked for, and that it was not held. An open
// transaction is in the way of mode transactions, and not of mode commits.
func TestOpenTransactionIsInTheWayOfOneMode(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		leave, err := w.servers["PRMR-3"].gate.EnterAs(context.Background(), gate.Entry{Class: gate.Open, Who: "trx 7 of CRDN-a"})
		require.NoError(t, err)
		defer leave()
		s := w.service(coordinatorA)
		_, err = s.Create(context.Background(), CreateRequest{Timeout: 3 * time.Second, Force: true})
		require.ErrorIs(t, err, apierror.BackupCreate)
		require.ErrorContains(t, err, "attempts in lock mode transactions, for another timeout by force, which has aborted 0 open transactions")
		require.ErrorContains(t, err, "PRMR-3: gate not granted within")
		require.ErrorContains(t, err, "1 transactions still open: trx 7 of CRDN-a, open for")

		r, err := s.Create(context.Background(), CreateRequest{Timeout: 3 * time.Second, LockMode: client.LockModeCommits})
		require.NoError(t, err)
		require.Len(t, r.LockReport.Attempts, 1)
		require.False(t, r.PotentiallyInconsistent)

		r, err = s.Create(context.Background(), CreateRequest{Timeout: 3 * time.Second, AllowInconsistent: true})
		require.NoError(t, err)
		w.requireMarked(r)
		w.requireListedAs(r.ID, client.LockModeNone)
		cert, err := certificate.Parse(listOn(t, w.servers["PRMR-1"], r.ID).Certificate)
		require.NoError(t, err)
		require.Equal(t, []string{"the global lock was not held (lock mode none: transactions was asked for, and could not be had)"}, cert.Problems())
	})
}

// The modes on the wire are those of the client.
func TestLockModeOnTheWire(t *testing.T) {
	r, err := parseCreate(json.RawMessage(`{"lockMode":"commits"}`))
	require.NoError(t, err)
	require.Equal(t, client.LockModeCommits, r.LockMode)
}
