package dbserver

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/pieces"
	"stasis/internal/apierror"
)

// year is longer than any gate may be asked for.
const year = 365 * 24 * 3600

// A stranger closes no gate: neither with a nonce that it has made up, nor with one that
// held the agency lock once, nor with that of a restore, nor with one whose lock has been
// taken away. Writes go on, and the backup that holds the lock gets its gate.
func TestStrangerClosesNoGate(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.backup(s, "old")
		refused := func(nonce, what string) {
			t.Helper()
			claim := dbclient.GateLockRequest{ID: "x", Nonce: nonce, WindowSeconds: 1, LeaseSeconds: 300}
			_, err := h.hold(t.Context(), h.target(s), claim)
			require.ErrorIs(t, err, apierror.BackupConflict, "%s closes the gate", what)
			require.Less(t, h.bystander(s, key(len(h.keysOf(s, "s101")))), 10*time.Millisecond)
		}
		refused("made-up", "a nonce that is made up, without a lock")
		refused("n-old", "the nonce of a backup that is over")

		h.lock("b", "n")
		refused("made-up", "a nonce that is made up, beside a lock")
		refused("n-old", "the nonce of a backup that is over, beside a lock")
		letGo, err := h.hold(t.Context(), h.target(s), lockB)
		require.NoError(t, err)
		require.Error(t, letGo())
		h.write(map[string]any{keys.HotBackupCreate: agencyclient.Delete()}, nil)             // and the holder's record is left
		heard := func() bool { return pieces.Creator(s.cluster.cache.Snapshot().Root) == "" } // a lock before that ends with the news
		h.await("it has heard", heard)
		refused("n", "the nonce of a lock that was taken away")
		h.write(map[string]any{keys.HotBackupHolder: agencyclient.Delete()}, nil)

		h.lock("b", "r")
		h.write(map[string]any{keys.HotBackupHolder + "/operation": keys.OperationRestore}, nil)
		h.await("it has heard", heard)
		refused("r", "a restore")
	})
}

// Not even the holder of the agency lock holds a gate for a year.
func TestGateForAYearIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.lock("b", "n")
		for _, long := range []dbclient.GateLockRequest{
			{ID: "b", Nonce: "n", WindowSeconds: 1, LeaseSeconds: year},
			{ID: "b", Nonce: "n", WindowSeconds: year, LeaseSeconds: 1},
			{ID: "b", Nonce: "n", WindowSeconds: 1, LeaseSeconds: dbclient.MaxGateLease.Seconds() + 1},
		} {
			_, err := h.hold(t.Context(), h.target(s), long)
			require.ErrorIs(t, err, apierror.BadParameter)
			require.Less(t, h.bystander(s, key(len(h.keysOf(s, "s101")))), 10*time.Millisecond)
		}
	})
}

// A server that hears of a lock later than the coordinator's request waits for it. The news is
// held back until the request has come, and released at a moment of virtual time.
func TestGateWaitsForNewsOfTheLock(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		to := h.target(s)
		h.net.Cut("agent", "db1")
		h.lock("b", "n")
		require.Empty(t, pieces.Creator(s.cluster.cache.Snapshot().Root), "it has not heard of the lock")
		const late = 100 * time.Millisecond
		begun := time.Now()
		time.AfterFunc(late, func() { h.net.Heal("agent", "db1") })
		_, err := h.hold(t.Context(), to, lockB)
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(begun), late, "it has not waited")
		require.NotZero(t, h.net.Met("agent", "db1"), "no news was held back")
	})
}

// A server that is cut off from the agency when a backup begins says so, before its
// coordinator takes it for silent, and as an attempt that has failed and can be made again.
func TestCutOffServerRefusesTheGateForNow(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		to := h.target(s)
		h.net.Cut("db1", "agent")
		h.net.Cut("agent", "db1")
		h.lock("b", "n")
		begun := time.Now()
		_, err := h.hold(t.Context(), to, lockB)
		require.ErrorIs(t, err, apierror.GateLost)
		require.ErrorContains(t, err, "cut off from the agency")
		require.Less(t, time.Since(begun), dbclient.GateSilence)
		require.Less(t, h.bystander(s, "a"), 10*time.Millisecond, "its lease has not ended")
		begun = time.Now()
		_, err = h.hold(t.Context(), to, dbclient.GateLockRequest{ID: "b", Nonce: "n", WindowSeconds: 1e-10, LeaseSeconds: 60})
		require.ErrorIs(t, err, apierror.GateLost)
		require.Less(t, time.Since(begun), 10*time.Millisecond, "a window that is no time is waited for")
		err = h.dbs.Prepare(t.Context(), to, dbclient.PieceRequest{ID: "b", Nonce: "n"})
		require.ErrorIs(t, err, apierror.ServiceUnavailable)
		h.net.HealAll()
		h.await("it is granted", func() bool {
			_, err := h.hold(t.Context(), to, lockB)
			return err == nil
		})
	})
}

// A stranger has a server make, change and complete no piece, with or without the gate.
func TestStrangerMakesNoPiece(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.backup(s, "old")
		h.lock("b", "n")
		require.NoError(t, h.dbs.Prepare(t.Context(), h.target(s), dbclient.PieceRequest{ID: "b", Nonce: "n"}))
		for _, nonce := range []string{"made-up", "n-old"} {
			ctx, to := t.Context(), h.target(s)
			for what, err := range map[string]error{
				"prepare": h.dbs.Prepare(ctx, to, dbclient.PieceRequest{ID: "x", Nonce: nonce}),
				"cut": func() error {
					_, err := h.dbs.Cut(ctx, to, dbclient.CutRequest{ID: "x", Nonce: nonce, Unprotected: true})
					return err
				}(),
				"link": func() error {
					_, err := h.dbs.Link(ctx, to, dbclient.LinkRequest{ID: "b", Nonce: nonce, Label: "l", AgencyDump: json.RawMessage(`{}`)})
					return err
				}(),
				"seal":    h.dbs.Seal(ctx, to, dbclient.SealRequest{ID: "b", Nonce: nonce, Certificate: json.RawMessage(`{}`)}),
				"publish": h.dbs.Publish(ctx, to, dbclient.PieceRequest{ID: "b", Nonce: nonce}),
				"stage":   h.dbs.Stage(ctx, to, dbclient.StageRequest{ID: "old", Source: s.ID(), Epoch: 1, Nonce: nonce, FailsafeID: "f1"}),
				"delete":  h.dbs.Delete(ctx, to, dbclient.PieceRequest{ID: "old", Nonce: nonce}),
			} {
				require.ErrorIs(t, err, apierror.BackupConflict, "%s for a stranger", what)
			}
			require.ErrorIs(t, h.dbs.Prepare(ctx, to, dbclient.PieceRequest{ID: "x"}), apierror.BadParameter)
			require.NoError(t, h.dbs.Drop(ctx, to, dbclient.PieceRequest{ID: "b", Nonce: nonce}), "it drops nothing")
			pending, err := s.data.pieces.Store.Attempts.Pending()
			require.NoError(t, err)
			require.Len(t, pending, 1)
			require.Equal(t, "n", pending[0].Nonce)
			require.Equal(t, []string{"old"}, h.listed(s))
		}
	})
}

// A stranger opens no gate either.
func TestStrangerOpensNoGate(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.lock("b", "n")
		_, err := h.hold(t.Context(), h.target(s), lockB)
		require.NoError(t, err)
		for _, final := range []bool{false, true} {
			r, err := h.dbs.GateRelease(t.Context(), h.target(s), dbclient.GateReleaseRequest{ID: "b", Nonce: "made-up", Attempt: 1, Final: final})
			require.NoError(t, err)
			require.False(t, r.Unbroken)
			require.NoError(t, s.gate.Check("n", 1), "a stranger opens the gate")
		}
	})
}

// Releases with nonces that are made up are not remembered, however many they are: what is
// remembered of the backup that holds the lock is its evidence, and what keeps its late locks
// out.
func TestStrangersReleasesAreNotRemembered(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.lock("b", "n")
		_, err := h.hold(t.Context(), h.target(s), lockB)
		require.NoError(t, err)
		mine := dbclient.GateReleaseRequest{ID: "b", Nonce: "n", Attempt: 1, Final: true}
		before, err := h.dbs.GateRelease(t.Context(), h.target(s), mine)
		require.NoError(t, err)
		require.True(t, before.Unbroken)
		for i := range 200 {
			r, err := h.dbs.GateRelease(t.Context(), h.target(s), dbclient.GateReleaseRequest{ID: "x", Nonce: fmt.Sprint("made-up", i), Attempt: 1, Final: i%2 == 0})
			require.NoError(t, err)
			require.False(t, r.Unbroken)
			require.Contains(t, r.Reason, "unknown nonce")
		}
		after, err := h.dbs.GateRelease(t.Context(), h.target(s), mine)
		require.NoError(t, err)
		require.Equal(t, before, after, "strangers have a backup's evidence forgotten")
		_, err = h.hold(t.Context(), h.target(s), lockB)
		require.ErrorIs(t, err, apierror.GateLost, "a late lock closes the gate")
	})
}
