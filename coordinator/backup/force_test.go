package backup

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/client"
	"stasis/client/certificate"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/gate"
	"stasis/event"
	"stasis/internal/apierror"
)

// transaction is one that is open at a server's gate.
type transaction struct {
	begun time.Time
	leave func()
	why   string // it is aborted
}

// open opens a transaction at a server's gate.
func (s *fakeServer) open(t *testing.T, id dbclient.TxnID) {
	t.Helper()
	leave, err := s.gate.EnterAs(context.Background(), gate.Entry{Class: gate.Open, Who: "trx " + id.String(), Opened: true})
	require.NoError(t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.transactions == nil {
		s.transactions = map[dbclient.TxnID]*transaction{}
	}
	s.transactions[id] = &transaction{begun: time.Now(), leave: leave}
}

func (s *fakeServer) abortOpen(r dbclient.TxnAbortRequest) (a dbclient.TxnAbortResponse, err error) {
	var holder keys.Holder
	if err := s.agency.root().At(keys.HotBackupHolder).Decode(&holder); err != nil || holder.Nonce != r.Nonce {
		return a, apierror.New(apierror.GateLost, "the agency lock is not that of %s", r.Backup)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, t := range s.transactions {
		if t.why != "" {
			continue
		}
		t.why = r.Backup
		t.leave()
		a.Aborted = append(a.Aborted, dbclient.TxnAborted{ID: id, Coordinator: coordinatorB, Age: time.Since(t.begun).Seconds()})
	}
	return a, nil
}

// Force lets open transactions be for the timeout, and then aborts them; the answer and the certificate say how many, whose, and how
// long they had been open. What is opened while it is at it is aborted, too.
func TestForceAbortsOpenTransactions(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.servers["PRMR-1"].open(t, 7)
		w.servers["PRMR-3"].open(t, 7)
		attempts, aborted := 0, 0
		s := w.service(coordinatorA, withSteps(func(_ context.Context, e event.Event) {
			switch e.Step {
			case event.LockAttempt:
				attempts++
			case event.TransactionAborted:
				if aborted++; aborted == 1 {
					w.servers["PRMR-2"].open(t, 8)
				}
				require.Contains(t, e.Detail, "of coordinator "+coordinatorB)
			}
		}))
		r, err := s.Create(context.Background(), CreateRequest{Timeout: 5 * time.Second, Force: true})
		require.NoError(t, err)
		require.False(t, r.PotentiallyInconsistent)
		require.Greater(t, attempts, 5)
		got := r.LockReport.Aborted()
		require.Len(t, got, 2)
		require.Equal(t, "7", got[0].ID)
		require.Equal(t, []string{"PRMR-1", "PRMR-3"}, got[0].Servers)
		require.Equal(t, coordinatorB, got[0].Coordinator)
		require.InDelta(t, 5, got[0].AgeSeconds, 0.5, "they had been let be for the timeout")
		require.Equal(t, "8", got[1].ID)
		require.Empty(t, r.LockReport.Attempts[len(r.LockReport.Attempts)-1].AbortsUnknown)
		require.Equal(t, r.ID, w.servers["PRMR-1"].transactions[7].why)
		cert, err := certificate.Parse(listOn(t, w.servers["PRMR-1"], r.ID).Certificate)
		require.NoError(t, err)
		require.Equal(t, got, cert.History.Lock.Aborted())
		w.requireBackup("force", r.ID)
	})
}

// Without force no transaction is aborted, and with it none in lock mode commits: nobody waits for what is open there.
func TestNothingIsAbortedInVain(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.servers["PRMR-1"].open(t, 7)
		_, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{Timeout: 3 * time.Second})
		require.ErrorIs(t, err, apierror.BackupCreate)
		require.Zero(t, w.faults.count("abort PRMR-1"))
		leave, err := w.servers["PRMR-2"].gate.Enter(context.Background())
		require.NoError(t, err)
		_, err = w.service(coordinatorA).Create(context.Background(), CreateRequest{Timeout: 3 * time.Second, Force: true, LockMode: client.LockModeCommits})
		require.ErrorContains(t, err, "which aborts no transaction in lock mode commits")
		require.Zero(t, w.faults.count("abort PRMR-1"))
		leave()
	})
}

// A server whose answer is lost may have aborted transactions that nobody names: the report says so.
func TestUnknownAborts(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		w.servers["PRMR-1"].open(t, 7)
		w.faults.next, w.faults.mode = "abort PRMR-1", lost
		r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{Timeout: 3 * time.Second, Force: true})
		require.NoError(t, err)
		require.Empty(t, r.LockReport.Aborted())
		require.Equal(t, []string{"PRMR-1"}, r.LockReport.Attempts[len(r.LockReport.Attempts)-1].AbortsUnknown)
	})
}
