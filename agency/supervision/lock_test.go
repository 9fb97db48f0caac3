package supervision

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/bubbles"
)

const create = "2026-01-02T03:04:05Z"

func holder(nonce string, beat uint64) keys.Holder {
	return keys.Holder{
		ID: "b1", Operation: keys.OperationCreate, Coordinator: "CRDN-1", RebootID: 1,
		Nonce: nonce, LeaseSeconds: 7.5, Beat: beat,
	}
}

// takeLock is what a coordinator writes.
func (s *tree) takeLock(nonce string) {
	s.t.Helper()
	s.write(agencyclient.Tx{
		Ops: map[string]any{keys.HotBackupCreate: create, keys.HotBackupHolder: holder(nonce, 0)},
		Pre: map[string]any{keys.HotBackupCreate: agencyclient.OldEmpty(true)},
	})
}

func (s *tree) renew(nonce string, beat uint64) {
	s.t.Helper()
	s.write(agencyclient.Tx{
		Ops: map[string]any{keys.HotBackupBeat: beat},
		Pre: map[string]any{keys.HotBackupNonce: nonce},
	})
}

// An unchanged holder loses the lock exactly when its lease ends after the pass
// that saw it, also when that is between two passes.
func TestLockExpiresExactly(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.takeLock("n1")
		defer supervise(s)()
		time.Sleep(7500*time.Millisecond - time.Millisecond)
		synctest.Wait()
		require.True(t, s.frozen(), "taken away early")
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.False(t, s.frozen(), "not taken away in time")
		require.False(t, s.Root().At(keys.HotBackupHolder).Exists())
		require.Equal(t, []string{"agency lock expired CRDN-1 (7.5s): held for create"}, s.told())
	})
}

// A holder that renews three times per lease keeps the lock as long as it likes.
func TestRenewedLockIsNeverTaken(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.takeLock("n1")
		defer supervise(s)()
		for beat := range uint64(200) {
			time.Sleep(2500 * time.Millisecond)
			s.renew("n1", beat+1)
		}
		require.True(t, s.frozen())
		require.Empty(t, s.told())
		time.Sleep(7500*time.Millisecond + time.Second) // seen by a pass at most 1 s later
		synctest.Wait()
		require.False(t, s.frozen())
	})
}

// A renewal between the decision and its transaction wins: the precondition is
// the exact value.
func TestRenewalAtTheLastMomentWins(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.takeLock("n1")
		s.before = func() { s.renew("n1", 1) }
		defer supervise(s)()
		time.Sleep(7500 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, 1, s.proposals(), "the lock was to be taken away")
		require.True(t, s.frozen(), "a renewed lock is taken away")
		require.Empty(t, s.told())
		time.Sleep(6 * time.Second)
		require.True(t, s.frozen(), "the renewal counts for a whole lease")
	})
}

// Another holder, even of the same backup, is another value: its lease is its own.
func TestNextHolderHasItsOwnLease(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.takeLock("n1")
		defer supervise(s)()
		time.Sleep(5 * time.Second)
		s.write(agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: agencyclient.Delete(), keys.HotBackupHolder: agencyclient.Delete()}})
		s.takeLock("n2")
		time.Sleep(7 * time.Second)
		synctest.Wait()
		require.Equal(t, "n2", s.Root().At(keys.HotBackupNonce).Text())
		time.Sleep(time.Second + 500*time.Millisecond)
		synctest.Wait()
		require.False(t, s.frozen())
	})
}

// A new leader knows nothing of the time that passed under the old one.
func TestChangeOfLeaderRestartsTheLease(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.takeLock("n1")
		stop := supervise(s)
		time.Sleep(7 * time.Second)
		stop()
		defer supervise(s)()
		time.Sleep(7 * time.Second)
		synctest.Wait()
		require.True(t, s.frozen())
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		require.False(t, s.frozen())
	})
}

// Tools made for ArangoDB take the lock without a holder. They get ten
// minutes from their last change.
func TestForeignLockGetsTenMinutes(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.set(keys.HotBackupCreate, create)
		defer supervise(s)()
		time.Sleep(9*time.Minute - 500*time.Millisecond) // the next pass sees the change
		s.set(keys.HotBackupCreate, "2026-01-02T03:14:05Z")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.True(t, s.frozen())
		time.Sleep(time.Second)
		synctest.Wait()
		require.False(t, s.frozen())
	})
}

// A holder whose lock was deleted by another tool must not look like a holder.
func TestHolderWithoutLockIsRemoved(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.takeLock("n1")
		defer supervise(s)()
		s.write(agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: agencyclient.Delete()}})
		time.Sleep(time.Second)
		synctest.Wait()
		require.False(t, s.Root().At(keys.HotBackupHolder).Exists())
	})
}

// Without a majority nothing can be taken away; the attempt is repeated once per
// pass, not more often, and made good later.
func TestLockIsTakenOnceThereIsAMajority(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.takeLock("n1")
		s.fail(errNoMajority)
		defer supervise(s)()
		time.Sleep(12600 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, 6, s.proposals(), "at 7.5 s and then every second")
		s.fail(nil)
		require.True(t, s.frozen())
		time.Sleep(time.Second)
		synctest.Wait()
		require.False(t, s.frozen())
	})
}

// Before the bootstrap the tree is not a cluster's: a plain key-value agency must
// not be changed.
func TestNothingHappensBeforeBootstrap(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.write(agencyclient.Tx{Ops: map[string]any{keys.InitDone: agencyclient.Delete()}})
		s.set(keys.HotBackupCreate, create)
		was := s.machine.State().Index()
		defer supervise(s)()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, was, s.machine.State().Index())
		require.Zero(t, s.transient.State().Index())
	})
}

// What is left of the lease is told as this leader counts it, and no more once the lock is gone.
func TestRestOfTheLeaseIsTold(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s := newTree(t)
		s.takeLock("n1")
		defer supervise(s)()
		told := func() (l keys.LockLease) {
			synctest.Wait()
			require.NoError(t, s.Transient().At(keys.SupervisionLock).Decode(&l))
			return l
		}
		time.Sleep(3 * time.Second)
		require.Equal(t, keys.LockLease{Nonce: "n1", LeftSeconds: 4.5}, told())
		time.Sleep(200 * time.Millisecond)
		s.renew("n1", 1)
		time.Sleep(2800 * time.Millisecond)
		require.Equal(t, keys.LockLease{Nonce: "n1", LeftSeconds: 5.5}, told(), "since the pass that saw the renewal")
		s.write(agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: agencyclient.Delete(), keys.HotBackupHolder: agencyclient.Delete()}})
		time.Sleep(time.Second)
		synctest.Wait()
		require.False(t, s.Transient().At(keys.SupervisionLock).Exists())
	})
}
